"""Placement with what is known now: the fleet as it is, definitions, loads and alerts."""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.jobs import limits
from conductor.jobs.agents import Agents
from conductor.jobs.census import Census
from conductor.jobs.fleet_view import Fleet, FleetIndex, Server
from conductor.jobs.placement import NO_SERVER, Candidates, Placement, candidates_of, place
from conductor.jobs.ports import Ports
from shared import clock

_INDEX_SECONDS = 1.0
"""How long an index of the fleet is used while the number of servers stays the same."""


class Placing:
    """Asks `placement` with a snapshot whose cost does not grow with the number of jobs."""

    def __init__(
        self, agents: Agents, definitions: Definitions, state: GlobalState, census: Census, ports: Ports
    ) -> None:
        self._agents = agents
        self._definitions = definitions
        self._state = state
        self._census = census
        self._ports = ports
        self._robin: dict[str, int] = {}
        """The next index of each round_robin event, ahead of what is stored."""
        self._index = FleetIndex({})
        self._index_made = 0.0
        self._groups: tuple[int, dict[str, Mapping[str, Any]]] = (-1, {})
        self._monitors: tuple[int, dict[str, Mapping[str, Any]]] = (-1, {})

    def place(self, job: Mapping[str, Any]) -> Placement:
        """A server that is online, or why there is none."""
        placement = self._place(job, self._online(fresh=False))
        if placement.problem == NO_SERVER:
            placement = self._place(job, self._online(fresh=True))
        return placement

    def may_come(self, job: Mapping[str, Any]) -> bool:
        """Whether a server that was here before a take-over, and is not back yet, could take the job."""
        expected = self._agents.expected
        return bool(expected) and bool(self._place(job, self._fleet(expected, None)).server)

    def others_may_come(self, job: Mapping[str, Any]) -> bool:
        """Whether a server that was here before a take-over, and would be a candidate, is not back yet."""
        online = self._agents.online
        away = {one: record for one, record in self._agents.expected.items() if one not in online}
        return bool(away) and bool(candidates_of(job, self._fleet(away, None), full=False).servers)

    def candidates(self, job: Mapping[str, Any]) -> Candidates:
        """Every server that could take the job, with or without room for it now."""
        return candidates_of(job, self._online(fresh=True), matches=fits, full=False)

    def snapshot(self) -> Fleet:
        """What placement looks at now, read afresh."""
        return self._online(fresh=True)

    def robin(self, event_id: str) -> int:
        """The index that round_robin goes on from."""
        known = self._robin.get(event_id)
        return (
            int(limits.number(self._state.get(f"events/{event_id}").get("robin"))) if known is None else known
        )

    def take_turn(self, event_id: str, robin: int) -> Callable[[], Any]:
        """The next round_robin index of an event is `robin` from now on; answers the write of it."""
        self._robin[event_id] = robin
        return lambda: self._state.merge(f"events/{event_id}", {"robin": robin})

    def renew(self) -> None:
        """Servers came or went."""
        self._index_made = 0.0

    def _place(self, job: Mapping[str, Any], fleet: Fleet) -> Placement:
        return place(job, fleet, robin=self.robin(str(job["event"])), matches=fits)

    def _online(self, *, fresh: bool) -> Fleet:
        online = self._agents.online
        now = clock.monotonic()
        if fresh or self._index.size != len(online) or now - self._index_made > _INDEX_SECONDS:
            self._index = FleetIndex(online)
            self._index_made = now
        return self._fleet(online, self._index)

    def _fleet(self, servers: Mapping[str, Server], index: FleetIndex | None) -> Fleet:
        census = self._census
        return Fleet(
            servers,
            self._group_definitions(),
            census.load,
            census.busy,
            index,
            self._ports.load.latest,
            census.reservations.of,
            self._ports.alerts.limiting,
            self._monitor_definitions(),
        )

    def _group_definitions(self) -> dict[str, Mapping[str, Any]]:
        version = self._definitions.version("groups")
        if self._groups[0] != version:
            self._groups = (version, {str(one["id"]): one for one in self._definitions.all("groups")})
        return self._groups[1]

    def _monitor_definitions(self) -> dict[str, Mapping[str, Any]]:
        if "monitors" not in self._definitions.kinds:
            return {}
        version = self._definitions.version("monitors")
        if self._monitors[0] != version:
            self._monitors = (version, {str(one["id"]): one for one in self._definitions.all("monitors")})
        return self._monitors[1]


def fits(expression: str, server: Server) -> bool | None:
    """Whether a server matches a job's target expression; None when the expression fails for it."""
    from shared.expressions import ExpressionError, compile_expression  # loaded when the first one is met

    try:
        return bool(compile_expression(expression).evaluate(server))
    except ExpressionError:
        return None
