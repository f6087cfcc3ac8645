"""What would become of a launch now: which server it gets and why not the others, and what limits say. Pure.

The decisions are those of `placement` and `admission`; here they are asked without a job.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from conductor.jobs import admission, algorithms, multiplex
from conductor.jobs.fleet_view import Fleet
from conductor.jobs.placement import Matches, Refused, candidates_of, expand_targets, place

Doc = Mapping[str, Any]

OFFLINE = "The server is offline."
_TAKEN = "All slots of the event are taken."


class Prospect(NamedTuple):
    server: str | None
    """The server it would get; None when there is none, or when it runs on each candidate."""
    algo: str
    problem: str
    candidates: tuple[str, ...]
    """Servers that could take it, in target order."""
    refused: tuple[Refused, ...]
    """Servers of its targets that could not, each with the reason."""
    outcome: str
    """start, queue or refuse."""
    reason: str
    """Why it would not start at once."""
    running: int
    queued: int
    compared: Mapping[str, float]
    """The number by which each candidate is compared, lowest first chosen; empty where none are."""
    warning: str = ""


def prospect(
    job: Doc,
    *,
    fleet: Fleet,
    known: Mapping[str, Doc],
    siblings: admission.Siblings,
    robin: int,
    matches: Matches | None,
) -> Prospect:
    """`fleet` is what is online, `known` are all servers."""
    # Always the first of equals: what is explained must not change from call to call.
    placement = place(job, fleet, robin=robin, matches=matches, choice=lambda servers: servers[0])
    everywhere = multiplex.wanted(job)
    found = candidates_of(job, fleet, matches=matches, full=not everywhere)
    candidates = tuple(found.servers)
    refused = {one.server: one for one in found.refused}
    for server in expand_targets(job.get("targets") or (), Fleet(known, fleet.groups, {}, {})):
        if server not in fleet.servers:
            refused.setdefault(server, Refused(server, OFFLINE))
    runs_nowhere = job.get("type") == "workflow"
    nowhere = not runs_nowhere and (not candidates if everywhere else placement.server is None)
    decision = admission.admit(job, siblings)
    if isinstance(decision, admission.Start) and nowhere:
        decision = admission.enqueue(job, siblings, placement.problem, retry_ok=True)
    outcome, reason = "start", ""
    if isinstance(decision, admission.Queue):
        outcome, reason = "queue", (placement.problem if nowhere else "") or _TAKEN
    elif isinstance(decision, admission.Abort):
        outcome, reason = "refuse", decision.reason
    algo = str(job.get("algo") or algorithms.DEFAULT)
    compare = algorithms.compared(algo, fleet.monitors)
    return Prospect(
        None if everywhere else placement.server,
        algo,
        placement.problem if nowhere else "",
        candidates,
        tuple(refused.values()),
        outcome,
        reason,
        siblings.running,
        siblings.queued,
        compare(candidates, fleet) if compare else {},
        found.warning,
    )
