"""Snapshots and watches of servers and groups (contract api/servers.yaml, api/groups.yaml, snapshots.md)."""

from typing import Annotated, Any

import msgspec

from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.endpoint import DefinitionId, Endpoint, NoParams, WordId, changing
from conductor.api.known_servers import online_server
from conductor.api.told import activity
from conductor.definitions.repository import Definitions
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import Refusal
from conductor.fleet.roster import Roster
from conductor.monitoring.comparison import compared
from conductor.monitoring.snapshots import Snapshots
from conductor.monitoring.watches import Watches, in_words
from shared.clock import now

_LONGEST_TEXT = 8192
_LONGEST_WATCH = 366 * 86_400

Remark = Annotated[str, msgspec.Meta(max_length=_LONGEST_TEXT)]


class About(msgspec.Struct, kw_only=True):
    """Of ours: what the snapshot is kept for."""

    label: Remark = ""
    notes: Remark = ""

    def given(self) -> dict[str, str]:
        return {key: value for key, value in (("label", self.label), ("notes", self.notes)) if value}


class OfServer(About, kw_only=True):
    server: WordId


class OfGroup(About, kw_only=True):
    group: WordId


class SnapshotId(msgspec.Struct, kw_only=True):
    id: DefinitionId


class Changed(SnapshotId, kw_only=True):
    """Of ours: what people say of a snapshot. What it shows never changes."""

    label: Remark | msgspec.UnsetType = msgspec.UNSET
    notes: Remark | msgspec.UnsetType = msgspec.UNSET
    pinned: bool | msgspec.UnsetType = msgspec.UNSET
    """Maintenance does not delete it, however old it gets."""

    def given(self) -> dict[str, str | bool]:
        said = {"label": self.label, "notes": self.notes, "pinned": self.pinned}
        return {key: value for key, value in said.items() if not isinstance(value, msgspec.UnsetType)}


class Pair(msgspec.Struct, kw_only=True):
    before: DefinitionId
    after: DefinitionId


class Watch(msgspec.Struct, kw_only=True):
    id: DefinitionId
    duration: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_WATCH)]
    """Seconds from now; 0 ends it."""


class SnapshotCalls:
    def __init__(
        self,
        snapshots: Snapshots,
        watches: Watches,
        roster: Roster,
        definitions: Definitions,
        signals: Signals,
    ) -> None:
        self._snapshots = snapshots
        self._watches = watches
        self._roster = roster
        self._definitions = definitions
        self._signals = signals

    async def of_server(self, call: Call, params: OfServer) -> Json:
        online_server(self._roster, call, params.server, "server")
        id = await self._snapshots.take_server(
            params.server,
            source="user",
            username=call.account.name,
            actor=call.actor,
            about=params.given(),
        )
        return {"id": id}

    async def of_group(self, call: Call, params: OfGroup) -> Json:
        if self._definitions.get("groups", params.group) is None:
            raise Refusal("snapshot", f"Unknown group: {params.group}")
        call.account.require_group(params.group)
        id = await self._snapshots.take_group(
            params.group,
            source="user",
            username=call.account.name,
            actor=call.actor,
            about=params.given(),
        )
        return {"id": id}

    async def delete(self, call: Call, params: SnapshotId) -> Json:
        refuse_group_limited(call.account, "snapshots")
        told = activity(
            call,
            "snapshot_delete",
            params.id,
            {"snapshot": params.id},
            keywords=(params.id,),
            resource=("snapshot", params.id),
        )
        if not await self._snapshots.delete(params.id, self._signals.events(told)):
            raise Refusal("snapshot", f"Failed to locate snapshot: {params.id}")
        self._signals.publish_logged(told)
        return {}

    async def change(self, call: Call, params: Changed) -> Json:
        """Of ours: `label`, `notes`, `pinned`, of a snapshot that the caller sees."""
        snapshot = await self._snapshots.get(params.id)
        if snapshot is None:
            raise Refusal("snapshot", f"Failed to locate snapshot: {params.id}")
        call.account.require_groups(snapshot.get("groups") or ())
        told = activity(
            call,
            "snapshot_update",
            params.id,
            {"snapshot": params.id, **params.given()},
            keywords=(params.id,),
            resource=("snapshot", params.id),
            groups=tuple(map(str, snapshot.get("groups") or ())),
        )
        if not await self._snapshots.remark(params.id, params.given(), self._signals.events(told)):
            raise Refusal("snapshot", f"Failed to locate snapshot: {params.id}")
        self._signals.publish_logged(told)
        return {}

    async def watch_server(self, call: Call, params: Watch) -> Json:
        server = online_server(self._roster, call, params.id, "server")
        about = {"server_id": params.id, "hostname": server["hostname"]}
        groups = tuple(map(str, server.get("groups") or ()))
        await self._watch(call, "server", params, about, groups)
        return {}

    async def watch_group(self, call: Call, params: Watch) -> Json:
        group = self._definitions.get("groups", params.id)
        if group is None:
            raise Refusal("watch", f"Unknown group: {params.id}")
        call.account.require_group(params.id)
        await self._watch(call, "group", params, {"group": group}, (params.id,))
        return {}

    async def compare(self, call: Call, params: Pair) -> Json:
        """Of ours: what is different in the second one."""
        before, after = [await self._of_a_server(call, id) for id in (params.before, params.after)]
        return {"comparison": compared(before, after)}

    async def watches(self, call: Call, params: NoParams) -> Json:
        """Of ours: what is watched now, as far as the caller sees it: the Unix time of the end, and who set it."""
        moment = now()
        seen = call.account.sees_groups
        servers = {
            id: end
            for id, end in self._watches.all("servers", moment).items()
            if not call.account.groups or seen((self._roster.record(id) or {}).get("groups") or ())
        }
        groups = {id: end for id, end in self._watches.all("groups", moment).items() if seen((id,))}
        owners = {
            kind: {id: owner for id in ends if (owner := self._watches.owner(kind, id))}
            for kind, ends in (("servers", servers), ("groups", groups))
        }
        return {"servers": servers, "groups": groups, "owners": owners}

    async def _of_a_server(self, call: Call, id: str) -> Json:
        snapshot = await self._snapshots.get(id)
        if snapshot is None or snapshot.get("type") != "server":
            raise Refusal("snapshot", f"Failed to locate snapshot of a server: {id}")
        call.account.require_groups(snapshot.get("groups") or ())
        return snapshot

    async def _watch(
        self, call: Call, kind: str, params: Watch, about: Json, groups: tuple[str, ...]
    ) -> None:
        told = activity(
            call,
            f"{kind}_watch",
            "",
            {**about, **_lasting(params.duration)},
            keywords=(params.id,),
            resource=(kind, params.id),
            groups=groups,
        )
        await self._watches.set(
            f"{kind}s", params.id, params.duration, call.account.name, self._signals.events(told)
        )
        self._signals.publish_logged(told)

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            changing(
                "create_snapshot",
                self.of_server,
                OfServer,
                "Keep the last known state of a server that is online.",
                "create_snapshots",
            ),
            changing(
                "create_group_snapshot",
                self.of_group,
                OfGroup,
                "Keep the last known state of a group's servers.",
                "create_snapshots",
            ),
            changing(
                "delete_snapshot",
                self.delete,
                SnapshotId,
                "Delete a snapshot of a server or a group.",
                "delete_snapshots",
            ),
            changing(
                "update_snapshot",
                self.change,
                Changed,
                "Label a snapshot, or pin it, so that maintenance keeps it.",
                "create_snapshots",
            ),
            Endpoint("compare_snapshots", self.compare, Pair, "What is different in a second snapshot."),
            Endpoint(
                "get_watches", self.watches, NoParams, "Servers and groups that are watched, and how long."
            ),
            changing(
                "watch_server",
                self.watch_server,
                Watch,
                "Take a snapshot of a server each minute for a while.",
                "create_snapshots",
            ),
            changing(
                "watch_group",
                self.watch_group,
                Watch,
                "Take a snapshot of a group each minute for a while.",
                "create_snapshots",
            ),
        )


def _lasting(seconds: int) -> Json:
    return {"duration": in_words(seconds), "seconds": seconds}
