"""Servers: who is online, and their samples as they came (contract api/servers.yaml)."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import Endpoint, NoParams
from conductor.errors import NotFound
from conductor.fleet.roster import Roster
from conductor.monitoring.samples import Samples
from conductor.records.searchable import SearchableDocuments


class ServerId(msgspec.Struct, kw_only=True):
    id: str


def endpoints(roster: Roster, stored: SearchableDocuments, samples: Samples) -> tuple[Endpoint[Any], ...]:
    async def get_active_servers(call: Call, params: NoParams) -> Mapping[str, Any]:
        rows = [server for server in roster.online.values() if call.account.sees_groups(server["groups"])]
        return {"rows": rows, "list": {"length": len(rows)}}

    async def get_active_server(call: Call, params: ServerId) -> Mapping[str, Any]:
        server = roster.online.get(params.id)
        if server is None:
            raise NotFound(f"Server not found: {params.id}")
        call.account.require_groups(server["groups"])
        return {"server": server}

    async def get_server(call: Call, params: ServerId) -> Mapping[str, Any]:
        server = roster.record(params.id) or await stored.get(params.id)
        if server is None:
            raise NotFound(f"Server not found: {params.id}")
        call.account.require_groups(server["groups"])
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
            params=NoParams,
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
