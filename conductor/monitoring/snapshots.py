"""Snapshots: the last known full state of a server or a group, kept (contract snapshots.md).

The server's last minute sample is copied, with its processes and connections; for a person who asks, a satellite of
ours measures anew, if it does so within seconds. Its quick samples of the last minute, its active alerts and its jobs
are kept beside it. `date` is the time of the sample, `taken` that of the snapshot.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.ports import (
    Fresh,
    NoFresh,
    NoSamples,
    Samples,
    ServerJobs,
    Servers,
    with_parents,
)
from conductor.monitoring.redaction import Redaction
from conductor.records.searchable import SearchableDocuments
from conductor.signals import SYSTEM, Actor, EventRow, SnapshotTaken
from shared import clock, ids

Json = dict[str, Any]

RECENT_SECONDS = 3600
"""Servers that left less than this ago are in snapshots of their groups."""
MOST_WHOLE = 200
"""Members of a group with their lists of processes and connections; further ones are kept without."""

_JUST_JOINED = 1
_BULKY = ("processes", "conns")
_UNATTENDED = ("alert", "job")
_MOST_REMEMBERED = 10_000
_LOOKED_THROUGH = 50
"""Newest snapshots of a server among which the one is looked for that was asked for before a take-over."""


class Snapshots:
    """Fills the port `Snapshots` of actions. `samples` is set once its room is there."""

    def __init__(
        self,
        stored: SearchableDocuments,
        servers: Servers,
        active: ActiveAlerts,
        jobs: ServerJobs,
        definitions: Definitions,
        signals: Signals,
        redaction: Redaction | None = None,
    ) -> None:
        self._stored = stored
        self._servers = servers
        self._active = active
        self._jobs = jobs
        self._definitions = definitions
        self._signals = signals
        self._redaction = redaction or Redaction(())
        self.samples: Samples = NoSamples()
        self.fresh: Fresh = NoFresh()
        """Asks servers for a sample of this moment."""
        self._last: dict[str, tuple[int, str]] = {}
        """Of each server, the sample of its last unattended snapshot, and that snapshot."""

    def forget(self) -> None:
        """The term has ended: others may delete what is remembered."""
        self._last.clear()

    async def take_server(
        self,
        server_id: str,
        *,
        source: str,
        job_id: str = "",
        alert_id: str = "",
        username: str = "",
        actor: Actor = SYSTEM,
        about: Mapping[str, str] | None = None,
        key: str = "",
        again: bool = False,
    ) -> str:
        """ID of a new snapshot of an online server. `source`: user, alert, job or watch.

        Of one sample alerts and jobs make one snapshot, however many of them ask for it: the later ones are
        added to it. `key` names the wish of an alert or a job: expressed `again` it is answered with the
        snapshot that was taken for it. Raises Refusal (`snapshot`), Unavailable.
        """
        if again and (taken := await self._taken_for(key, server_id)):
            return taken
        server = self._servers.online.get(server_id)
        if server is None:
            raise Refusal("snapshot", f"Failed to locate server: {server_id}")
        sample = await self.samples.latest(server_id)
        if sample is None:
            raise Refusal("snapshot", f"No monitoring data of server: {server_id}")
        if sample.get("data", {}).get("dummy"):
            raise Refusal("snapshot", f"Monitoring is disabled on server: {server_id}")
        if source == "user" and (fresh := await self.fresh.take(server)) is not None:
            sample = _renewed(sample, fresh)
        own: Mapping[str, Any] = {"username": username, **(about or {})} if source == "user" else {}
        if source in _UNATTENDED:
            if known := await self._same(server_id, sample, job_id, alert_id, key):
                return known
            own = {"taken_for": [key]} if key else {}
        return await self.keep(server, sample, source=source, job_id=job_id, own=own, actor=actor)

    async def keep(
        self,
        server: Mapping[str, Any],
        sample: Mapping[str, Any],
        *,
        source: str,
        job_id: str = "",
        own: Mapping[str, Any] | None = None,
        actor: Actor = SYSTEM,
    ) -> str:
        """Store this sample of a server as a snapshot; `own` are further properties of it."""
        server_id, snapshot_id = str(server["id"]), ids.short_id("sn")
        jobs = with_parents(self._jobs.all_on((server_id,)))
        snapshot = {
            **self._redaction.of(sample),
            "id": snapshot_id,
            "type": "server",
            "server": server_id,
            "groups": list(server.get("groups") or ()),
            "source": source,
            **(own or {}),
            "taken": int(clock.now()),
            "alerts": [str(one["id"]) for one in self._active.of_server(server_id)],
            "jobs": list(dict.fromkeys([*jobs, *([job_id] if job_id else [])])),
            "quickmon": self.samples.recent(server_id),
        }
        told = self._taken(snapshot, "server", server_id, source, actor)
        await self._stored.add(snapshot_id, snapshot, events=self._signals.events(told))
        if source in _UNATTENDED:
            if len(self._last) >= _MOST_REMEMBERED:
                self._last.clear()
            self._last[server_id] = (_date(sample), snapshot_id)
        self._signals.publish_logged(told)
        return snapshot_id

    async def take_group(
        self,
        group_id: str,
        *,
        source: str,
        username: str = "",
        actor: Actor = SYSTEM,
        about: Mapping[str, str] | None = None,
    ) -> str:
        """ID of a new snapshot of a group, empty ones included. Raises Refusal (`snapshot`), Unavailable."""
        group = self._definitions.get("groups", group_id)
        if group is None:
            raise Refusal("snapshot", f"Unknown group: {group_id}")
        now = int(clock.now())
        members = self._members(group_id, now)
        samples, quick = [], []
        for number, member in enumerate(members):
            server_id = str(member["id"])
            sample = await self.samples.latest(server_id) or {}
            samples.append(_lightened(sample) if number >= MOST_WHOLE else self._redaction.of(sample))
            quick.append([] if member["offline"] else self.samples.recent(server_id))
        snapshot_id = ids.short_id("sn")
        snapshot: Json = {
            "id": snapshot_id,
            "type": "group",
            "source": source,
            **({"username": username, **(about or {})} if source == "user" else {}),
            "date": now,
            "taken": now,
            "server": "",
            "groups": [group_id],
            "group_def": group,
            "servers": members,
            "snapshots": samples,
            "quickmons": quick,
            "alerts": [str(one["id"]) for one in self._active.of_group(group_id)],
            "jobs": [str(job["id"]) for job in self._jobs.all_on(str(one["id"]) for one in members)],
        }
        told = self._taken(snapshot, "group", group_id, source, actor)
        await self._stored.add(snapshot_id, snapshot, events=self._signals.events(told))
        self._signals.publish_logged(told)
        return snapshot_id

    async def get(self, snapshot_id: str) -> Json | None:
        return await self._stored.get(snapshot_id)

    async def remark(
        self, snapshot_id: str, said: Mapping[str, str | bool], events: Sequence[EventRow] = ()
    ) -> bool:
        """Keep `label`, `notes` and `pinned` with it, of which one that is false or empty goes.

        False, and no `events`, without it.
        """

        def changed(doc: Json) -> Json:
            return {key: value for key, value in (doc | dict(said)).items() if value or key not in said}

        return await self._stored.change(snapshot_id, changed, events=lambda _: events) is not None

    async def delete(self, snapshot_id: str, events: Sequence[EventRow] = ()) -> bool:
        """False, and no `events`, if there is none."""
        return await self._stored.delete(snapshot_id, events=events)

    async def delete_of_server(self, server_id: str) -> int:
        """Delete every snapshot of a server; those of its groups stay. Returns how many. May be broken off."""
        deleted = 0
        while rows := await self._ids(f"server:{server_id}"):
            for snapshot_id in rows:
                deleted += await self._stored.delete(snapshot_id)
        return deleted

    # Inside

    async def _ids(self, query: str) -> list[str]:
        page = await self._stored.search(query, limit=100, sort_dir=1)
        return [str(msgspec.json.decode(row)["id"]) for row in page.rows]

    async def _taken_for(self, key: str, server_id: str) -> str:
        """The snapshot of the server that was taken for this wish; empty if none was."""
        page = await self._stored.search(f"server:{server_id}", limit=_LOOKED_THROUGH)
        snapshots = (msgspec.json.decode(row) for row in page.rows)
        return next((str(one["id"]) for one in snapshots if key in (one.get("taken_for") or ())), "")

    async def _same(
        self, server_id: str, sample: Mapping[str, Any], job_id: str, alert_id: str, key: str
    ) -> str:
        """The snapshot that an alert or job took of this very sample, with this one added; empty if none."""
        date, snapshot_id = self._last.get(server_id, (0, ""))
        if not snapshot_id or date != _date(sample):
            return ""

        def added(doc: Json) -> Json:
            jobs, alerts = [job_id] if job_id else [], [alert_id] if alert_id else []
            wishes = [*(doc.get("taken_for") or ()), *([key] if key else [])]
            return {
                **doc,
                "taken_for": list(dict.fromkeys(wishes)),
                "jobs": list(dict.fromkeys([*(doc.get("jobs") or ()), *jobs])),
                "alerts": list(dict.fromkeys([*(doc.get("alerts") or ()), *alerts])),
            }

        return snapshot_id if await self._stored.change(snapshot_id, added) else ""

    def _members(self, group_id: str, now: int) -> list[Json]:
        """Records of the group's servers: online ones, then those that left lately."""

        def of_group(record: Mapping[str, Any]) -> bool:
            return group_id in (record.get("groups") or ())

        online = [
            {**record, "offline": False}
            for record in self._servers.online.values()
            if of_group(record) and _modified(record) < now - _JUST_JOINED
        ]
        left = [
            {**record, "offline": True}
            for record in self._servers.recent.values()
            if of_group(record) and now - _modified(record) < RECENT_SECONDS
        ]
        return online + left

    @staticmethod
    def _taken(
        snapshot: Mapping[str, Any], kind: str, resource_id: str, source: str, actor: Actor
    ) -> SnapshotTaken:
        return SnapshotTaken(
            snapshot_id=str(snapshot["id"]),
            kind=kind,
            resource_id=resource_id,
            source=source,
            groups=tuple(map(str, snapshot.get("groups") or ())),
            actor=actor,
        )


def _renewed(sample: Mapping[str, Any], fresh: Json) -> Json:
    """The last sample with what the server measures now. What takes long, and what follows from the minute, stays."""
    last = sample.get("data") or {}
    kept = {key: last[key] for key in ("monitors", "deltas", "commands", "docker") if key in last}
    return {**sample, "date": int(clock.now()), "data": {**fresh, **kept}, "fresh": True}


def _date(sample: Mapping[str, Any]) -> int:
    date = sample.get("date")
    return int(date) if isinstance(date, int | float) else 0


def _modified(record: Mapping[str, Any]) -> float:
    modified = record.get("modified")
    return float(modified) if isinstance(modified, int | float) else 0.0


def _lightened(sample: Mapping[str, Any]) -> Json:
    data = sample.get("data")
    if not isinstance(data, dict):
        return dict(sample)
    return {**sample, "data": {key: value for key, value in data.items() if key not in _BULKY}, "cut": True}
