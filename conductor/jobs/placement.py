"""Which server gets a job (contract jobs.md §7). Pure: a chain of small filters, then one algorithm.

Each filter names in words why it refuses a server, so that the answer can be shown to people.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conductor.jobs import limits

Server = Mapping[str, Any]


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


class Refused(NamedTuple):
    server: str
    reason: str


class Placement(NamedTuple):
    """The decision: a server, or none and why."""

    server: str | None
    refused: tuple[Refused, ...]
    problem: str = ""
    robin: int | None = None
    """For round_robin: the index to store for the event."""


NO_SERVER = "No available servers matching targets."


def place(
    job: Mapping[str, Any],
    fleet: Fleet,
    *,
    robin: int = 0,
    matches: Callable[[str, Server], bool] | None = None,
    choice: Callable[[Sequence[str]], str] = random.choice,
) -> Placement:
    """Choose a server for `job`. `matches` evaluates the job's target expression for a server."""
    refused: list[Refused] = []
    candidates: list[str] = []
    mass = limits.weight(job)
    for server_id in expand_targets(job.get("targets") or (), fleet):
        server = fleet.servers[server_id]
        if reason := _why_not(job, server, mass, fleet, matches):
            refused.append(Refused(server_id, reason))
        else:
            candidates.append(server_id)
    algorithm = str(job.get("algo") or "random")
    if algorithm not in _ALGORITHMS:
        return Placement(None, tuple(refused), f"Unknown algorithm or monitor: {algorithm}")
    if not candidates:
        return Placement(None, tuple(refused), NO_SERVER)
    if algorithm == "round_robin":
        index = robin % len(candidates)
        return Placement(candidates[index], tuple(refused), robin=(index + 1) % len(candidates))
    if algorithm == "random":
        return Placement(choice(candidates), tuple(refused))
    return Placement(_ALGORITHMS[algorithm](candidates, fleet), tuple(refused))


def expand_targets(targets: Iterable[Any] | str, fleet: Fleet) -> list[str]:
    """IDs of online servers: server IDs, members of groups, then host names; in order, each once."""
    words = targets.split(",") if isinstance(targets, str) else targets
    found: dict[str, None] = {}
    for word in words:
        target = str(word).strip()
        if target in fleet.servers:
            found[target] = None
        elif target in fleet.groups:
            found.update(
                dict.fromkeys(
                    server_id
                    for server_id, server in fleet.servers.items()
                    if target in (server.get("groups") or ())
                )
            )
        else:
            host = target.lower()
            found.update(
                dict.fromkeys(
                    server_id for server_id, server in fleet.servers.items() if server.get("hostname") == host
                )
            )
    return list(found)


def _why_not(
    job: Mapping[str, Any],
    server: Server,
    mass: float,
    fleet: Fleet,
    matches: Callable[[str, Server], bool] | None,
) -> str | None:
    if not server.get("enabled", True):
        return "The server is disabled."
    if server.get("draining"):
        return "The server is draining: it takes no more jobs."
    most = max_jobs(server, fleet.groups)
    if most and fleet.load.get(str(server["id"]), 0.0) + mass > most:
        return f"The server has reached its maximum of {most:g} concurrent jobs."
    expression = job.get("expression")
    if expression and matches and not matches(str(expression), server):
        return "The target expression does not match."
    return None


def max_jobs(server: Server, groups: Mapping[str, Mapping[str, Any]]) -> float:
    """The server's own maximum, else the smallest of its groups'; 0 means none."""
    if own := limits.number(server.get("maxJobs")):
        return own
    caps = [
        cap
        for group_id in server.get("groups") or ()
        if (cap := limits.number((groups.get(group_id) or {}).get("max_jobs_per_server")))
    ]
    return min(caps, default=0.0)


def _name(server: Server) -> str:
    return str(server.get("title") or server.get("hostname") or "").casefold()


def _reading(server: Server, section: str, key: str) -> float:
    info = server.get("info") or {}
    return limits.number((info.get(section) or {}).get(key))


def _least(key: Callable[[str, Fleet], Any]) -> Callable[[Sequence[str], Fleet], str]:
    return lambda candidates, fleet: min(candidates, key=lambda server_id: key(server_id, fleet))


def _most(key: Callable[[str, Fleet], Any]) -> Callable[[Sequence[str], Fleet], str]:
    return lambda candidates, fleet: max(reversed(candidates), key=lambda server_id: key(server_id, fleet))


_ALGORITHMS: dict[str, Callable[[Sequence[str], Fleet], str]] = {
    "random": lambda candidates, _: candidates[0],
    "round_robin": lambda candidates, _: candidates[0],
    "prefer_first_natural": lambda candidates, _: candidates[0],
    "prefer_last_natural": lambda candidates, _: candidates[-1],
    "prefer_first": _least(lambda server_id, fleet: _name(fleet.servers[server_id])),
    "prefer_last": _most(lambda server_id, fleet: _name(fleet.servers[server_id])),
    "least_cpu": _least(lambda server_id, fleet: _reading(fleet.servers[server_id], "cpu", "avgLoad")),
    "least_mem": _least(lambda server_id, fleet: _reading(fleet.servers[server_id], "memory", "active")),
    "fewest_jobs": _least(lambda server_id, fleet: fleet.busy.get(server_id, 0)),
}
"""Every algorithm this version knows; random and round_robin are chosen in `place`."""
