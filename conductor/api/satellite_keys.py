"""Satellites and their credentials: who has which, rotation, revocation. An addition of ours."""

from collections.abc import Mapping
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams, WordId
from conductor.errors import NotFound
from conductor.fleet.credentials import Credentials, require_known
from conductor.fleet.roster import Roster
from conductor.records.searchable import SearchableDocuments


class Server(msgspec.Struct, kw_only=True):
    id: WordId


def endpoints(
    credentials: Credentials, roster: Roster, stored: SearchableDocuments
) -> tuple[Endpoint[Any], ...]:
    async def get_satellites(call: Call, params: NoParams) -> Mapping[str, Any]:
        known = {str(server["id"]): server for server in await stored.all()} | dict(roster.online)
        rows = [_row(server) for server in known.values()]
        return {"rows": rows, "list": {"length": len(rows)}}

    async def rotate(call: Call, params: Server) -> Mapping[str, Any]:
        server = await _known(params.id)
        await credentials.rotate(params.id, call.actor)
        return {"satellite": _row(server)}

    async def revoke(call: Call, params: Server) -> Mapping[str, Any]:
        server = await _known(params.id)
        await credentials.revoke(params.id, call.actor)
        return {"satellite": _row(server)}

    async def upgrade(call: Call, params: Server) -> Mapping[str, Any]:
        if params.id not in roster.online:
            raise NotFound(f"Server is not online: {params.id}")
        roster.tell(params.id, "upgrade", {})
        return {}

    async def _known(server_id: str) -> Mapping[str, Any]:
        return require_known(roster.record(server_id) or await stored.get(server_id), server_id)

    def _row(server: Mapping[str, Any]) -> dict[str, Any]:
        server_id = str(server["id"])
        credential = credentials.of(server_id)
        connection = roster.connection(server_id)
        return {
            "id": server_id,
            "hostname": server.get("hostname", ""),
            "title": server.get("title", ""),
            "ip": server.get("ip", ""),
            "version": str((server.get("info") or {}).get("satellite", "")),
            "online": connection is not None,
            "draining": connection is not None and bool(server.get("draining")),
            "protocol": "" if connection is None else ("opsorbit.v1" if connection.acknowledges else "base"),
            "proven": connection is not None and connection.proven,
            "generation": credential.generation,
            "rotated": credential.rotated,
            "revoked": credential.revoked,
            "previous_until": credential.previous_until,
        }

    return (
        Endpoint(
            name="get_satellites",
            handler=get_satellites,
            params=NoParams,
            auth=Auth.ADMIN,
            summary="Every known satellite with the state of its credentials.",
        ),
        Endpoint(
            name="rotate_satellite_key",
            handler=rotate,
            params=Server,
            auth=Auth.ADMIN,
            mutates=True,
            summary="Give one satellite its next key, now or when it comes back.",
        ),
        Endpoint(
            name="revoke_satellite",
            handler=revoke,
            params=Server,
            auth=Auth.ADMIN,
            mutates=True,
            summary="Close a satellite's socket and take its key; it has to be enrolled anew.",
        ),
        Endpoint(
            name="upgrade_satellite",
            handler=upgrade,
            params=Server,
            auth=Auth.ADMIN,
            mutates=True,
            summary="Have one satellite install this conductor's release; its jobs go on.",
        ),
    )
