"""Servers that a call names: found, and seen by the caller, or refused in the contract's words."""

from collections.abc import Mapping
from typing import Any

from conductor.api.call import Call
from conductor.errors import NotFound, Refusal
from conductor.fleet.roster import Roster
from conductor.records.searchable import SearchableDocuments

Record = Mapping[str, Any]


class KnownServers:
    def __init__(self, roster: Roster, stored: SearchableDocuments) -> None:
        self._roster = roster
        self._stored = stored

    async def visible(self, call: Call, id: str) -> Record:
        """Online or not. Raises NotFound, AccessDenied."""
        server = self._roster.record(id) or await self._stored.get(id)
        if server is None:
            raise NotFound(f"Server not found: {id}")
        call.account.require_groups(server.get("groups") or ())
        return server


def online_server(roster: Roster, call: Call, id: str, code: str) -> Record:
    """One that is connected. Raises a Refusal with this code, AccessDenied."""
    server = roster.online.get(id)
    if server is None:
        raise Refusal(code, f"Server is not online: {id}")
    call.account.require_groups(server["groups"])
    return server
