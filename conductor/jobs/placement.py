"""Which server gets a job (contract jobs.md §7). Pure: a chain of small filters, then one algorithm.

Each filter names in words why it refuses a server, so that the answer can be shown to people.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from conductor.jobs import algorithms, limits
from conductor.jobs.fleet_view import Fleet, FleetIndex, Server

__all__ = ["NO_SERVER", "Candidates", "Fleet", "Placement", "Refused", "candidates_of", "place"]

Matches = Callable[[str, Server], bool | None]
"""Whether an expression is true for a server; None when it cannot be evaluated."""

NO_SERVER = "No available servers matching targets."
_SAMPLED = 128
"""In a group with more members `random` asks some at random before it looks at all of them."""
_TRIES = 16


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
    warning: str = ""
    """What people should read about the choice."""


class Candidates(NamedTuple):
    """The servers that could take a job, in target order."""

    servers: list[str]
    refused: tuple[Refused, ...]
    warning: str = ""


def place(
    job: Mapping[str, Any],
    fleet: Fleet,
    *,
    robin: int = 0,
    matches: Matches | None = None,
    choice: Callable[[Sequence[str]], str] = random.choice,
) -> Placement:
    """Choose a server for `job`. `matches` evaluates the job's target expression for a server."""
    algorithm = str(job.get("algo") or algorithms.DEFAULT)
    choose = algorithms.named(algorithm, fleet.monitors)
    if choose is None:
        return Placement(None, (), f"Unknown algorithm or monitor: {algorithm}")
    if algorithm == "random" and (lucky := _sampled(job, fleet, matches, choice)):
        return Placement(lucky, ())
    candidates, refused, warning = candidates_of(job, fleet, matches=matches)
    if not candidates:
        return Placement(None, refused, NO_SERVER, warning=warning)
    if algorithm == "random":
        return Placement(choice(candidates), refused, warning=warning)
    if algorithm == "round_robin":
        index = robin % len(candidates)
        return Placement(candidates[index], refused, robin=(index + 1) % len(candidates), warning=warning)
    return Placement(choose(candidates, fleet), refused, warning=warning)


def candidates_of(
    job: Mapping[str, Any], fleet: Fleet, *, matches: Matches | None = None, full: bool = True
) -> Candidates:
    """The servers that pass every filter; `full`: also those of room for one more job.

    A target expression that cannot be evaluated for a server leaves the list as it was (§7).
    """
    refused: list[Refused] = []
    candidates: list[str] = []
    mass = limits.weight(job) if full else 0.0
    for server_id in expand_targets(job.get("targets") or (), fleet):
        if reason := _why_not(fleet.servers[server_id], server_id, mass, fleet):
            refused.append(Refused(server_id, reason))
        else:
            candidates.append(server_id)
    expression = job.get("expression")
    if not (expression and matches and candidates):
        return Candidates(candidates, tuple(refused))
    verdicts = {one: matches(str(expression), fleet.servers[one]) for one in candidates}
    if any(verdict is None for verdict in verdicts.values()):
        return Candidates(
            candidates, tuple(refused), "The target expression failed, so it chooses no servers."
        )
    refused += [
        Refused(one, "The target expression does not match.") for one, fits in verdicts.items() if not fits
    ]
    return Candidates([one for one, fits in verdicts.items() if fits], tuple(refused))


def expand_targets(targets: Iterable[Any] | str, fleet: Fleet) -> list[str]:
    """IDs of online servers: server IDs, members of groups, then host names; in order, each once."""
    words = targets.split(",") if isinstance(targets, str) else targets
    index = fleet.places or FleetIndex(fleet.servers)
    found: dict[str, None] = {}
    for word in words:
        target = str(word).strip()
        if target in fleet.servers:
            found[target] = None
        elif target in fleet.groups:
            found.update(dict.fromkeys(_members(target, index, fleet)))
        else:
            host = target.lower()
            found.update(
                (one, None)
                for one in index.host(host)
                if (server := fleet.servers.get(one)) and str(server.get("hostname")).lower() == host
            )
    return list(found)


def _members(group: str, index: FleetIndex, fleet: Fleet) -> Iterable[str]:
    """The index may be older than the records: a server may have left the fleet or the group since."""
    for one in index.group(group):
        server = fleet.servers.get(one)
        if server is not None and group in (server.get("groups") or ()):
            yield one


def _sampled(
    job: Mapping[str, Any],
    fleet: Fleet,
    matches: Matches | None,
    choice: Callable[[Sequence[str]], str],
) -> str | None:
    """A server of one large group that passes, found by asking a few: most of them do, as a rule.

    None when the job has other targets or an expression, or when none of the few can take it.
    """
    targets = job.get("targets")
    if fleet.places is None or (job.get("expression") and matches) or not isinstance(targets, list):
        return None
    if len(targets) != 1 or targets[0] in fleet.servers or targets[0] not in fleet.groups:
        return None
    members = fleet.places.group(str(targets[0]))
    if len(members) <= _SAMPLED:
        return None
    mass = limits.weight(job)
    for _ in range(_TRIES):
        one = choice(members)
        server = fleet.servers.get(one)
        if server is None or targets[0] not in (server.get("groups") or ()):
            continue
        if _why_not(server, one, mass, fleet) is None:
            return one
    return None


def _why_not(server: Server, server_id: str, mass: float, fleet: Fleet) -> str | None:
    """Why the server does not get a job of this weight; 0 asks for no room."""
    if not server.get("enabled", True):
        return "The server is disabled."
    if server.get("draining"):
        return "The server is draining: it takes no more jobs."
    if titles := fleet.alerts(server_id):
        return f"The server has an active alert that keeps jobs away: {', '.join(titles)}."
    if mass:
        most = max_jobs(server, fleet.groups)
        if most and fleet.load.get(server_id, 0.0) + mass > most:
            return f"The server has reached its maximum of {most:g} concurrent jobs."
    return None


def max_jobs(server: Server, groups: Mapping[str, Mapping[str, Any]]) -> float:
    """The server's own maximum, else the smallest of its groups'; 0 means none."""
    if (stated := server.get("maxJobs")) and (own := limits.number(stated)):
        return own
    smallest = 0.0
    for group_id in server.get("groups") or ():
        group = groups.get(group_id)
        if group and (stated := group.get("max_jobs_per_server")):
            cap = limits.number(stated)
            smallest = min(smallest or cap, cap or smallest)
    return smallest
