"""What placement looks at: who is online and where, and what runs there. Pure.

Servers are found by group and by host name, so that a target need not be looked for in all of them. An index
is made from the records of a moment. It may lag behind them, so whoever uses it checks that a server is there
still, and asks for a fresh one before it says that there is none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

Server = Mapping[str, Any]

_NONE: Sequence[str] = ()


class FleetIndex:
    def __init__(self, servers: Mapping[str, Server]) -> None:
        self.size = len(servers)
        self._of_group: dict[str, list[str]] = {}
        self._of_host: dict[str, list[str]] = {}
        for server_id, server in servers.items():
            for group in server.get("groups") or ():
                self._of_group.setdefault(str(group), []).append(server_id)
            self._of_host.setdefault(str(server.get("hostname") or "").lower(), []).append(server_id)

    def group(self, group_id: str) -> Sequence[str]:
        """IDs of a group's members, in the order they joined."""
        return self._of_group.get(group_id, _NONE)

    def host(self, name: str) -> Sequence[str]:
        """IDs of the servers with this host name, in normalised form."""
        return self._of_host.get(name, _NONE) if name else _NONE


class Fleet(NamedTuple):
    """What placement looks at: a snapshot of who is online and what runs there."""

    servers: Mapping[str, Server]
    """Online servers by ID, in the order they joined."""
    groups: Mapping[str, Mapping[str, Any]]
    """Group definitions by ID."""
    load: Mapping[str, float]
    """Sum of the weights of the active jobs on each server."""
    busy: Mapping[str, int]
    """Number of active jobs on each server."""
    places: FleetIndex | None = None
    reading: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """A server's latest sample: `cpu`, `memory`, `monitors`, `deltas`; None when there is none."""
    given: Callable[[str], int] = lambda _: 0
    """Jobs that a server was given since its samples could show them."""
    alerts: Callable[[str], Sequence[str]] = lambda _: ()
    """Titles of a server's active alerts that keep jobs away."""
    monitors: Mapping[str, Mapping[str, Any]] = {}
    """Monitor definitions by ID."""
