"""How one of several servers is chosen (contract jobs.md §7). Pure; ties go to the first candidate.

Load and memory are compared as shares of what each server has, where every candidate tells how much that is,
and what a server was given since its last sample counts as used: otherwise the jobs of one minute would all go
to the server that was the idlest when it began.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor.jobs import limits
from conductor.jobs.fleet_view import Fleet

Choose = Callable[[Sequence[str], Fleet], str]
Compare = Callable[[Sequence[str], Fleet], dict[str, float]]
"""The number of each candidate, in their order; the lowest is chosen."""

DEFAULT = "random"
MULTIPLEX = "multiplex"
"""Chooses every candidate: no algorithm of a single job (§7.1)."""
_MONITOR = "monitor:"
_ASSUMED_CORES = 1.0
"""Cores that a job is taken to keep busy until a sample tells."""
_ASSUMED_BYTES = 64.0 * 1024**2
"""Memory that a job is taken to use until a sample tells."""


def named(algorithm: str, monitors: Mapping[str, Mapping[str, Any]]) -> Choose | None:
    """The algorithm of that name, or the one of the monitor `monitor:ID` or `ID`; None when there is none."""
    if (known := _ALGORITHMS.get(algorithm)) is not None:
        return known
    compare = compared(algorithm, monitors)
    return _lowest(compare) if compare is not None else None


def compared(algorithm: str, monitors: Mapping[str, Mapping[str, Any]]) -> Compare | None:
    """What an algorithm compares its candidates by; None for those that compare no numbers."""
    if (known := _COMPARED.get(algorithm)) is not None:
        return known
    monitor = monitors.get(algorithm.removeprefix(_MONITOR)) if algorithm not in _ALGORITHMS else None
    return _of_monitor(monitor) if monitor is not None else None


def load_of_cores(candidates: Sequence[str], fleet: Fleet) -> dict[str, float]:
    """The load for each core, with what was given since."""
    loads = {one: _number(fleet, one, "cpu", "avgLoad") for one in candidates}
    cores = {one: _number(fleet, one, "cpu", "cores") for one in candidates}
    return _used(loads, cores, _ASSUMED_CORES, fleet)


def share_of_memory(candidates: Sequence[str], fleet: Fleet) -> dict[str, float]:
    """The share of active memory, with what was given since."""
    used = {one: _number(fleet, one, "memory", "active") for one in candidates}
    total = {one: _number(fleet, one, "memory", "total") for one in candidates}
    return _used(used, total, _ASSUMED_BYTES, fleet)


def jobs(candidates: Sequence[str], fleet: Fleet) -> dict[str, float]:
    return {one: float(fleet.busy.get(one, 0)) for one in candidates}


def prefer_first(candidates: Sequence[str], fleet: Fleet) -> str:
    return min(candidates, key=lambda one: _name(fleet.servers[one]))


def prefer_last(candidates: Sequence[str], fleet: Fleet) -> str:
    return max(reversed(candidates), key=lambda one: _name(fleet.servers[one]))


def _used(
    used: Mapping[str, float], whole: Mapping[str, float], each: float, fleet: Fleet
) -> dict[str, float]:
    shares = all(amount > 0 for amount in whole.values())

    def of(one: str) -> float:
        amount = used[one] + each * fleet.given(one)
        return amount / whole[one] if shares else amount

    return {one: of(one) for one in used}


def _of_monitor(monitor: Mapping[str, Any]) -> Compare:
    part, id_ = "deltas" if monitor.get("delta") else "monitors", str(monitor["id"])
    return lambda candidates, fleet: {one: _number(fleet, one, part, id_) for one in candidates}


def _lowest(compare: Compare) -> Choose:
    def choose(candidates: Sequence[str], fleet: Fleet) -> str:
        numbers = compare(candidates, fleet)
        return min(candidates, key=lambda one: numbers[one])

    return choose


def _number(fleet: Fleet, server_id: str, section: str, key: str) -> float:
    """A value of the latest sample, else of the server's record; 0 without one."""
    for source in (fleet.reading(server_id), fleet.servers[server_id].get("info")):
        part = source.get(section) if isinstance(source, Mapping) else None
        if isinstance(part, Mapping) and part.get(key) is not None:
            return limits.number(part[key])
    return 0.0


def _name(server: Mapping[str, Any]) -> str:
    return str(server.get("title") or server.get("hostname") or "").casefold()


_COMPARED: Mapping[str, Compare] = {
    "least_cpu": load_of_cores,
    "least_mem": share_of_memory,
    "fewest_jobs": jobs,
}
_ALGORITHMS: Mapping[str, Choose] = {
    "random": lambda candidates, _: candidates[0],
    "round_robin": lambda candidates, _: candidates[0],
    "prefer_first_natural": lambda candidates, _: candidates[0],
    "prefer_last_natural": lambda candidates, _: candidates[-1],
    "prefer_first": prefer_first,
    "prefer_last": prefer_last,
    **{name: _lowest(compare) for name, compare in _COMPARED.items()},
    MULTIPLEX: lambda candidates, _: candidates[0],
}
"""By name; `random` and `round_robin` are chosen in `place`, which has their chance and their index. Of
`multiplex` only whether there is any server is asked here."""
