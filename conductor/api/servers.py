"""Servers: who is online, what is known of them, and what people change (contract api/servers.yaml)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from conductor.api.call import Call, Json
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, changing
from conductor.api.known_servers import KnownServers
from conductor.errors import BadParameter, NotFound, Refusal, Unavailable
from conductor.fleet.changes import ServerChanges
from conductor.fleet.removal import Removals
from conductor.fleet.roster import Roster
from conductor.monitoring.samples import Samples
from conductor.records.searchable import SearchableDocuments

_MOST_TOGETHER = 10_000
"""Servers of one call."""
_FALSE = (False, 0, "", "0", "false")


class Page(msgspec.Struct, kw_only=True):
    """Of ours; without a limit all are listed."""

    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0


class ServerId(msgspec.Struct, kw_only=True):
    id: DefinitionId


class ServerData(msgspec.Struct, kw_only=True):
    id: DefinitionId
    data: Any = None
    user_data: Any = msgspec.field(default=None, name="userData")
    """An older name of `data`."""
    replace: bool | int | str = False


class Deletion(msgspec.Struct, kw_only=True):
    id: DefinitionId
    history: bool | int | str = False


class EnableServers(msgspec.Struct, kw_only=True):
    enabled: bool
    ids: list[str] = []
    groups: list[str] = []
    """All servers of these groups that are online."""


class ServerCalls:
    """What writes."""

    def __init__(
        self, changes: ServerChanges, removals: Removals, online: Callable[[], Mapping[str, Json]]
    ) -> None:
        self._changes = changes
        self._online = online
        self._removals = removals

    async def update(self, call: Call, params: ServerId) -> Json:
        await self._changes.update(params.id, call.params, call.account, call.actor)
        return {}

    async def enable(self, call: Call, params: EnableServers) -> Json:
        """Whether several servers take new jobs; what they run goes on. Answers which were changed and which not."""
        groups = set(params.groups)
        online = self._online() if groups else {}
        chosen = [id for id, record in online.items() if groups.intersection(record.get("groups") or ())]
        wanted = list(dict.fromkeys([*params.ids, *chosen]))
        if not wanted:
            raise BadParameter("No server was named by ids or groups")
        changed: list[str] = []
        refused: dict[str, str] = {}
        if len(wanted) > _MOST_TOGETHER:
            raise BadParameter(f"Too many servers (most is {_MOST_TOGETHER})")
        for id in wanted:
            try:
                await self._changes.update(id, {"enabled": params.enabled}, call.account, call.actor)
                changed.append(id)
            except Unavailable:
                raise
            except Refusal as refusal:
                refused[id] = refusal.description
        return {"ids": changed, "refused": refused}

    async def update_data(self, call: Call, params: ServerData) -> Json:
        data = params.user_data if params.data is None else params.data
        if not isinstance(data, dict):
            raise BadParameter("Missing or malformed parameter: data")
        replace = params.replace not in _FALSE
        merged = await self._changes.update_data(params.id, data, call.account, call.actor, replace=replace)
        return {"data": merged}

    async def delete(self, call: Call, params: Deletion) -> Json:
        await self._removals.delete(params.id, call.actor, history=params.history not in _FALSE)
        return {}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            changing(
                "update_server",
                self.update,
                ServerId,
                "Change a server's title, icon, labels, groups, job limit, or whether it takes jobs.",
                "update_servers",
            ),
            changing(
                "enable_servers",
                self.enable,
                EnableServers,
                "Let several servers take new jobs, or no more.",
                "update_servers",
                body=True,
            ),
            changing(
                "update_server_data",
                self.update_data,
                ServerData,
                "Merge into a server's user data, or replace it.",
                "update_servers",
                body=True,
            ),
            Endpoint(
                name="delete_server",
                handler=self.delete,
                params=Deletion,
                summary="Uninstall a server's satellite; with its history, delete all that is kept of it.",
                auth=Auth.ADMIN,
                mutates=True,
            ),
        )


def endpoints(roster: Roster, stored: SearchableDocuments, samples: Samples) -> tuple[Endpoint[Any], ...]:
    known = KnownServers(roster, stored)

    async def get_active_servers(call: Call, params: Page) -> Mapping[str, Any]:
        rows = [server for server in roster.online.values() if call.account.sees_groups(server["groups"])]
        end = params.offset + params.limit if params.limit else None
        return {"rows": rows[params.offset : end], "list": {"length": len(rows)}}

    async def get_active_server(call: Call, params: ServerId) -> Mapping[str, Any]:
        server = roster.online.get(params.id)
        if server is None:
            raise NotFound(f"Server not found: {params.id}")
        call.account.require_groups(server["groups"])
        return {"server": server}

    async def get_server(call: Call, params: ServerId) -> Mapping[str, Any]:
        server = await known.visible(call, params.id)
        sample = await samples.latest(params.id)
        if sample is None:
            raise NotFound(f"Server has sent no monitoring data yet: {params.id}")
        return {
            "server": server,
            "data": sample,
            "quick": samples.recent(params.id),
            "online": params.id in roster.online,
        }

    return (
        Endpoint(
            name="get_active_servers",
            handler=get_active_servers,
            params=Page,
            summary="Servers that are online.",
        ),
        Endpoint(
            name="get_active_server",
            handler=get_active_server,
            params=ServerId,
            summary="One server that is online.",
        ),
        Endpoint(
            name="get_server",
            handler=get_server,
            params=ServerId,
            summary="One server, online or not, with its last minute sample and its last minute of quick ones.",
        ),
    )
