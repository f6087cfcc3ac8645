"""What people change of a server: its record and its user data (contract monitoring.md §8, api/servers.yaml).

The record in SQL is written first, then the one in memory; the changes of one server come one after the other.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from conductor.access.account import Account
from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.fleet import servers
from conductor.fleet.roster import Record, Roster
from conductor.records.searchable import SearchableDocuments
from conductor.signals import Activity, Actor, ServerChanged
from shared import clock

_KEPT_BY_US = frozenset(
    [
        "id",
        "hostname",
        "ip",
        "info",
        "socket_id",
        "keywords",
        "created",
        "modified",
        "userData",
        "last_time_code",
        "offline",
        "delete",
    ]
)
"""What only the host, a join or a call of its own may set: left as it is, whatever a caller sends."""
_FLAGS = ("enabled", "autoGroup")
_FALSE = (False, 0, "", "0", "false", None)


class ServerChanges:
    def __init__(
        self, roster: Roster, stored: SearchableDocuments, definitions: Definitions, signals: Signals
    ) -> None:
        self._roster = roster
        self._stored = stored
        self._definitions = definitions
        self._signals = signals
        self._one_by_one: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def update(self, server_id: str, sent: Mapping[str, Any], by: Account, actor: Actor) -> None:
        """Merge what a caller may set. Raises NotFound, AccessDenied, BadParameter, Unavailable."""
        changes = checked(sent)
        async with self._one_by_one[server_id]:
            record = await self._record(server_id)
            if record is None:
                raise NotFound(f"Server not found: {server_id}")
            by.require_groups(record.get("groups") or ())
            before = list(record.get("groups") or ())
            record.update(changes, modified=int(clock.now()))
            self._regroup(record, changes)
            by.require_groups(record["groups"])
            record["keywords"] = servers.keywords(record)
            hostname = record["hostname"] if server_id in self._roster.online else server_id
            told = _told(
                "server_update", server_id, {"hostname": hostname, "updates": changes}, record, actor
            )
            await self._stored.put(server_id, record, events=self._signals.events(told))
            written = {key: record[key] for key in record if key not in ("info", "last_time_code")}
            self._show(server_id, written)
            if record["groups"] != before:
                self._roster.tell(server_id, "update", {"groups": record["groups"]})
        self._signals.publish(ServerChanged(server=record))
        self._signals.publish_logged(told)

    async def update_data(
        self, server_id: str, data: Mapping[str, Any], by: Account, actor: Actor, *, replace: bool
    ) -> dict[str, Any]:
        """Merge into the server's user data, or replace it; answers the whole. Raises Refusal (`server`)."""
        async with self._one_by_one[server_id]:
            record = await self._record(server_id)
            if record is None or not by.sees_groups(record.get("groups") or ()):
                raise Refusal("server", f"Failed to locate server: {server_id}")
            before = record.get("userData")
            kept = before if isinstance(before, dict) and not replace else {}
            record["userData"] = {**kept, **data}
            payload = {"hostname": record["hostname"]}
            told = _told("server_update_data", server_id, payload, record, actor)
            await self._stored.put(server_id, record, events=self._signals.events(told))
            self._show(server_id, {"userData": record["userData"]})
        self._signals.publish_logged(told)
        return dict(record["userData"])

    async def regroup_offline(self) -> int:
        """Match every automatic server that is not online against the groups; returns how many changed.

        Those that are online are `Members`'. May be broken off and begun again anywhere.
        """
        groups, changed = self._definitions.all("groups"), 0
        for one in await self._stored.all():
            server_id = str(one["id"])
            if not one.get("autoGroup") or server_id in self._roster.online:
                continue
            if servers.regroup(one, groups) == one.get("groups"):
                continue
            async with self._one_by_one[server_id]:
                record = await self._record(server_id)
                if record is None or not record.get("autoGroup") or server_id in self._roster.online:
                    continue
                record["groups"] = servers.regroup(record, groups)
                record["keywords"] = servers.keywords(record)
                await self._stored.replace(server_id, record)
                self._show(server_id, {key: record[key] for key in ("groups", "keywords")})
                changed += 1
        return changed

    def _regroup(self, record: Record, changes: Mapping[str, Any]) -> None:
        """Automatic matching overrides groups that are sent; of those, what exists is taken."""
        groups = self._definitions.all("groups")
        if changes.get("autoGroup"):
            record["groups"] = servers.regroup(record, groups)
        elif "groups" in changes:
            by_hand = {**record, "autoGroup": False}
            record["groups"] = servers.regroup(by_hand, groups)
            record["autoGroup"] = by_hand["autoGroup"] or bool(record.get("autoGroup"))

    async def _record(self, server_id: str) -> Record | None:
        """A copy of the record as it is now."""
        record = self._roster.record(server_id)
        return dict(record) if record is not None else await self._stored.get(server_id)

    def _show(self, server_id: str, changes: Mapping[str, Any]) -> None:
        record = self._roster.record(server_id)
        if record is not None:
            record.update(changes)


def _told(
    action: str, server_id: str, payload: Mapping[str, Any], record: Mapping[str, Any], actor: Actor
) -> Activity:
    return Activity(
        action=action,
        payload={"server_id": server_id, **payload},
        resource=("server", server_id),
        groups=tuple(map(str, record.get("groups") or ())),
        actor=actor,
    )


def checked(sent: Mapping[str, Any]) -> Record:
    """The changes in what a caller sent, with their types. Raises BadParameter, naming the key."""
    changes = {key: value for key, value in sent.items() if key not in _KEPT_BY_US}
    for key in _FLAGS:
        if key in changes:
            changes[key] = changes[key] not in _FALSE
    for key in ("title", "icon"):
        if key in changes and not isinstance(changes[key], str):
            raise BadParameter(f"Parameter is not type string: {key}")
    if "groups" in changes:
        changes["groups"] = _words(changes["groups"], "groups")
    if "labels" in changes:
        changes["labels"] = _words(changes["labels"], "labels")
    if "maxJobs" in changes:
        changes["maxJobs"] = _count(changes["maxJobs"])
    return changes


def _words(value: object, key: str) -> list[str]:
    if not isinstance(value, list) or not _all_texts(value):
        raise BadParameter(f"Parameter is not an array: {key}")
    return list(dict.fromkeys(value))


def _all_texts(values: Iterable[object]) -> bool:
    return all(isinstance(one, str) and one for one in values)


def _count(value: object) -> float | int:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1e9:
        raise BadParameter("Malformed parameter: maxJobs")
    return value
