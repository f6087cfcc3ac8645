"""Snapshots and watches of servers and groups (contract api/servers.yaml, api/groups.yaml, snapshots.md)."""

from typing import Annotated, Any

import msgspec

from conductor.api.call import Call, Json
from conductor.api.endpoint import DefinitionId, Endpoint, WordId
from conductor.definitions.repository import Definitions
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import Refusal
from conductor.fleet.roster import Roster
from conductor.monitoring.snapshots import Snapshots
from conductor.monitoring.watches import Watches, in_words
from conductor.signals import Activity, Signals

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
        server = self._roster.online.get(params.server)
        if server is None:
            raise Refusal("server", f"Server is not online: {params.server}")
        call.account.require_groups(server["groups"])
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
        if not await self._snapshots.delete(params.id):
            raise Refusal("snapshot", f"Failed to locate snapshot: {params.id}")
        self._log(call, "snapshot_delete", params.id, {"snapshot": params.id}, params.id)
        return {}

    async def watch_server(self, call: Call, params: Watch) -> Json:
        server = self._roster.online.get(params.id)
        if server is None:
            raise Refusal("server", f"Server is not online: {params.id}")
        call.account.require_groups(server["groups"])
        await self._watches.set("servers", params.id, params.duration)
        about = {"server_id": params.id, "hostname": server["hostname"]}
        self._log(call, "server_watch", "", {**about, **_lasting(params.duration)}, params.id)
        return {}

    async def watch_group(self, call: Call, params: Watch) -> Json:
        group = self._definitions.get("groups", params.id)
        if group is None:
            raise Refusal("watch", f"Unknown group: {params.id}")
        call.account.require_group(params.id)
        await self._watches.set("groups", params.id, params.duration)
        self._log(call, "group_watch", "", {"group": group, **_lasting(params.duration)}, params.id)
        return {}

    def _log(self, call: Call, action: str, description: str, payload: Json, keyword: str) -> None:
        self._signals.publish(
            Activity(
                action=action,
                description=description,
                payload=payload,
                keywords=(keyword,),
                actor=call.actor,
                correlation_id=call.correlation_id,
            )
        )

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                name="create_snapshot",
                handler=self.of_server,
                params=OfServer,
                summary="Keep the last known state of a server that is online.",
                privilege="create_snapshots",
                mutates=True,
            ),
            Endpoint(
                name="create_group_snapshot",
                handler=self.of_group,
                params=OfGroup,
                summary="Keep the last known state of a group's servers.",
                privilege="create_snapshots",
                mutates=True,
            ),
            Endpoint(
                name="delete_snapshot",
                handler=self.delete,
                params=SnapshotId,
                summary="Delete a snapshot of a server or a group.",
                privilege="delete_snapshots",
                mutates=True,
            ),
            Endpoint(
                name="watch_server",
                handler=self.watch_server,
                params=Watch,
                summary="Take a snapshot of a server each minute for a while.",
                privilege="create_snapshots",
                mutates=True,
            ),
            Endpoint(
                name="watch_group",
                handler=self.watch_group,
                params=Watch,
                summary="Take a snapshot of a group each minute for a while.",
                privilege="create_snapshots",
                mutates=True,
            ),
        )


def _lasting(seconds: int) -> Json:
    return {"duration": in_words(seconds), "seconds": seconds}
