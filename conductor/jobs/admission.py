"""May a job start now, must it queue, or is it refused (contract jobs.md §6, §8, §9). Pure.

Queues are strictly first in, first out (priority jobs first): a job never passes one that waits already.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from conductor.jobs import limits


class Siblings(NamedTuple):
    """Similar jobs in the book, without the one asked about."""

    running: int
    """Those that hold a slot: starting, active or finishing."""
    queued: int


class Start(NamedTuple):
    """The job may be placed on a server."""


class Queue(NamedTuple):
    """The job waits at this position, from 1; 0 for a priority job."""

    position: int


class Abort(NamedTuple):
    """The job ends with code `abort`."""

    reason: str
    retry_ok: bool = False


Admission = Start | Queue | Abort

RUNNING_STATES = frozenset({"starting", "active", "finishing"})


def admit(job: Mapping[str, Any], others: Siblings) -> Admission:
    """Concurrency alone; whether a server can take the job is placement's question."""
    concurrent = limits.amount(limits.first(job, "job"))
    if concurrent <= 0:
        return Start()
    was_queued = job["state"] == "queued"
    room = others.running < concurrent
    if room and (was_queued or not others.queued):
        return Start()
    return enqueue(
        job, others, "Maximum number of concurrent jobs for event has been reached.", retry_ok=False
    )


def enqueue(job: Mapping[str, Any], others: Siblings, reason: str, *, retry_ok: bool) -> Queue | Abort:
    """Queue the job where its queue limit has room, else refuse it with the reason."""
    longest = limits.amount(limits.first(job, "queue"))
    if job["state"] == "queued":
        return Queue(int(limits.number(job.get("position"))))
    if longest <= 0:
        return Abort(reason, retry_ok)
    if others.queued >= longest:
        return Abort(f"{reason.rstrip('.')}, and the queue is maxed out.", retry_ok)
    return Queue(0 if job.get("priority") else others.queued + 1)


def overdue(job: Mapping[str, Any], now: float) -> str | None:
    """Why a queued job waits no longer: its queue limit may have a `duration`, the longest wait in seconds."""
    longest = limits.number((limits.first(job, "queue") or {}).get("duration"))
    since = limits.number(job.get("queued"))
    if longest <= 0 or not since or now - since <= longest:
        return None
    return f"Job has waited in its queue for more than {longest:g} seconds."


class Rank(NamedTuple):
    """A queued job's place: of one queue the lowest rank starts first."""

    later: bool
    """It has no priority."""
    since: float
    id: str


def rank(job: Mapping[str, Any]) -> Rank:
    return Rank(not job.get("priority"), job["started"], job["id"])
