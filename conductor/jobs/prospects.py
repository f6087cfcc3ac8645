"""What would become of a launch now: which server it gets and why not the others, and what limits say. Pure.

The decisions are those of `placement` and `admission`; here they are asked without a job.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from conductor.jobs import admission, limits
from conductor.jobs.placement import Fleet, Refused, expand_targets, place

Doc = Mapping[str, Any]

OFFLINE = "The server is offline."


class Prospect(NamedTuple):
    server: str | None
    """The server it would get; None when there is none."""
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


def prospect(
    job: Doc,
    *,
    online: Mapping[str, Doc],
    known: Mapping[str, Doc],
    groups: Mapping[str, Doc],
    active: Iterable[Doc],
    robin: int,
    matches: Callable[[str, Doc], bool],
) -> Prospect:
    """`known` are all servers, online or not; `active` the jobs of the book."""
    load: dict[str, float] = {}
    busy: dict[str, int] = {}
    running = queued = 0
    for one in active:
        if server := str(one.get("server") or ""):
            busy[server] = busy.get(server, 0) + 1
            load[server] = load.get(server, 0.0) + limits.weight(one)
        if one.get("event") == job["event"]:
            running += one.get("state") in admission.RUNNING_STATES
            queued += one.get("state") == "queued"
    fleet = Fleet(online, groups, load, busy)
    # Always the first of equals: what is explained must not change from call to call.
    placement = place(job, fleet, robin=robin, matches=matches, choice=lambda servers: servers[0])
    targets = job.get("targets") or ()
    refused = {one.server: one for one in placement.refused}
    everywhere = Fleet(known, groups, {}, {})
    for server in expand_targets(targets, everywhere):
        if server not in online:
            refused.setdefault(server, Refused(server, OFFLINE))
    candidates = tuple(one for one in expand_targets(targets, fleet) if one not in refused)
    siblings = admission.Siblings(running, queued)
    decision = admission.admit(job, siblings)
    if isinstance(decision, admission.Start) and placement.server is None:
        decision = admission.enqueue(job, siblings, placement.problem, retry_ok=True)
    outcome, reason = "start", ""
    if isinstance(decision, admission.Queue):
        outcome, reason = "queue", placement.problem or "All slots of the event are taken."
    elif isinstance(decision, admission.Abort):
        outcome, reason = "refuse", decision.reason
    algo = str(job.get("algo") or "random")
    return Prospect(
        placement.server,
        algo,
        placement.problem,
        candidates,
        tuple(refused.values()),
        outcome,
        reason,
        running,
        queued,
    )
