"""IDs of the events that others are caused by. Pure.

Each follows from what happened to whom, so that an effect names its cause without looking it up, before the
cause is stored even, and the same in every term.
"""

from collections.abc import Mapping
from typing import Any

from conductor.audit.resources import Of, event_id, job_event_id

_NOT_STARTED = frozenset({"ready", "queued", "start_delay", "starting"})


def fired(event: str, minute: int, story: str) -> str:
    """A trigger's moment had come: each firing has a story (correlation ID) of its own."""
    return event_id("schedule.fired", event, minute, story)


def accepted(job_id: str) -> str:
    return job_event_id(job_id, Of.ACCEPTED)


def started(job_id: str, attempt: int) -> str:
    return job_event_id(job_id, Of.STARTED + attempt)


def ended(job_id: str) -> str:
    """However it ended: it ends once."""
    return job_event_id(job_id, Of.ENDED)


def retried(job_id: str) -> str:
    """The ended job is tried again under another ID."""
    return job_event_id(job_id, Of.RETRIED)


def deleted(job_id: str) -> str:
    return job_event_id(job_id, Of.DELETED)


def acted(key: str) -> str:
    """The execution of an action with this key."""
    return event_id("action", key)


def alerted(invocation_id: str) -> str:
    return event_id("alert.fired", invocation_id)


def cause_of_action(job_id: str, job: Mapping[str, Any], attempt: int) -> str:
    """What led to a job's action: its end, or its start, or its launch where it has not started."""
    if job.get("complete"):
        return ended(job_id)
    if not attempt and job.get("type") == "workflow" and job.get("state") not in _NOT_STARTED:
        attempt = 1
    return started(job_id, attempt) if attempt else accepted(job_id)


def cause_of_job(job: Mapping[str, Any]) -> str:
    """What led to a job that follows another: a retry, or a step of a workflow. Empty for all others."""
    if before := job.get("retry_prev"):
        return retried(str(before))
    workflow = job.get("workflow")
    parent = workflow.get("job") if isinstance(workflow, dict) else None
    return started(str(parent), 1) if parent else ""
