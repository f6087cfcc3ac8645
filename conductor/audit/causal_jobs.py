"""The rows of what jobs tell, which is most of the causal event log: made thousands of times a second. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from conductor.audit import causes
from conductor.audit.payloads import payload
from conductor.audit.resources import correlation, event_id, job_uuid
from conductor.signals import (
    EventRow,
    JobAborted,
    JobAccepted,
    JobDeleted,
    JobFinished,
    JobQueued,
    JobResumed,
    JobRetried,
    JobStarted,
    JobSuspended,
    Signal,
)
from shared import ids
from shared.schema.jobs import ABORT, succeeded

Json = dict[str, Any]

JOB: Final = "automation_run"
_LONGEST: Final = 1000
_new = tuple.__new__  # a named tuple's own takes twice as long
_TOLD_OF_LAUNCH: Final = ("source", "username", "label", "retry_prev")

_OfJob = (
    JobAborted
    | JobAccepted
    | JobDeleted
    | JobFinished
    | JobQueued
    | JobResumed
    | JobRetried
    | JobStarted
    | JobSuspended
)


def _row(signal: _OfJob, moment: float, type: str, told: Json, id: str, cause: str) -> EventRow:
    actor, job_id, groups, story = signal.actor, signal.job_id, signal.groups, signal.correlation_id
    return _new(
        EventRow,
        (
            id,
            int(moment * 1_000_000),
            type,
            actor.kind[:16],
            (actor.id or actor.kind)[:128],
            JOB,
            job_uuid(job_id),
            correlation(story) if story else id,
            signal.causation_id or cause,
            signal.category[:64],
            f",{','.join(groups)}," if groups else "",
            payload(job_id, told),
        ),
    )


def _accepted(signal: JobAccepted, moment: float) -> EventRow:
    job, id = signal.job, signal.job_id
    told: Json = {"event": signal.event_id}
    for key in _TOLD_OF_LAUNCH:
        if value := job.get(key):
            told[key] = value
    return _row(signal, moment, "job.accepted", told, causes.accepted(id), causes.cause_of_job(job))


def _queued(signal: JobQueued, moment: float) -> EventRow:
    told, id = {"event": signal.event_id}, signal.job_id
    of_its_own = event_id("job.queued", id, signal.since)
    return _row(signal, moment, "job.queued", told, of_its_own, causes.accepted(id))


def _started(signal: JobStarted, moment: float) -> EventRow:
    told: Json = {"event": signal.event_id, "attempt": signal.attempt}
    if signal.server_id:
        told["server"] = signal.server_id
    type, id = "workflow.started" if signal.workflow else "job.started", signal.job_id
    return _row(signal, moment, type, told, causes.started(id, signal.attempt), causes.accepted(id))


def _finished(signal: JobFinished, moment: float) -> EventRow:
    job, id, code = signal.job, signal.job_id, signal.code
    kind = "workflow" if job.get("type") == "workflow" else "job"
    how = "succeeded" if succeeded(code) else "aborted" if code == ABORT else "failed"
    attempt = signal.attempt or (1 if kind == "workflow" else 0)
    told: Json = {
        "event": signal.event_id,
        "code": code,
        "description": str(job.get("description") or "")[:_LONGEST],
        "elapsed": signal.elapsed,
    }
    if server := job.get("server"):
        told["server"] = server
    return _row(
        signal,
        float(job.get("completed") or moment),
        "job.lost" if code == "lost" else f"{kind}.{how}",
        told,
        causes.ended(id),
        causes.started(id, attempt) if attempt else causes.accepted(id),
    )


def _retried(signal: JobRetried, moment: float) -> EventRow:
    told: Json = {"event": signal.event_id, "next": signal.next_id, "delay": signal.delay}
    id = signal.job_id
    return _row(signal, moment, "job.retried", told, causes.retried(id), causes.ended(id))


def _aborted(signal: JobAborted, moment: float) -> EventRow:
    told: Json = {"reason": signal.reason[:_LONGEST]}
    return _row(signal, moment, "job.abort_requested", told, ids.story_id(), causes.accepted(signal.job_id))


def _deleted(signal: JobDeleted, moment: float) -> EventRow:
    id = signal.job_id
    return _row(signal, moment, "job.deleted", {}, causes.deleted(id), causes.ended(id))


def _suspended(signal: JobSuspended, moment: float) -> EventRow:
    return _row(signal, moment, "job.suspended", {}, ids.story_id(), causes.accepted(signal.job_id))


def _resumed(signal: JobResumed, moment: float) -> EventRow:
    return _row(signal, moment, "job.resumed", {}, ids.story_id(), causes.accepted(signal.job_id))


OF_JOBS: Mapping[type[Signal], Callable[[Any, float], EventRow]] = {
    JobAborted: _aborted,
    JobAccepted: _accepted,
    JobDeleted: _deleted,
    JobFinished: _finished,
    JobQueued: _queued,
    JobResumed: _resumed,
    JobRetried: _retried,
    JobStarted: _started,
    JobSuspended: _suspended,
}
