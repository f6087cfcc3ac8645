"""What a job does to its own event when it is stored, and to the alert it was launched for (jobs.md §14.12).

A plugin or an action asks for it; here nobody can be told of a refusal but the log.
"""

import structlog

from conductor.actions.occasion import Means
from conductor.actions.ports import Alerts
from conductor.definitions.writer import House
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM

_FIXED = frozenset(
    {
        "id", "created", "modified", "revision", "username", "type", "category", "plugin", "targets", "expression",
        "workflow", "update_state",
    }
)  # fmt: skip
"""What a job may not change of its event: who and where it is. Whoever writes a script has no say in that."""

log = structlog.get_logger(__name__)


def event_of(job: ActiveJob) -> str:
    """For a job of a workflow that has no event of its own, and for a workflow's node, the workflow's event."""
    workflow = job.job.get("workflow")
    if job.job.get("type") == "adhoc" and isinstance(workflow, dict) and workflow.get("event"):
        return str(workflow["event"])
    return str(job.job.get("event") or "")


async def update(job: ActiveJob, means: Means) -> None:
    """Merge `update_event` into the event, under the rules that hold for everybody. Raises Unavailable."""
    wanted = job.job["update_event"]
    changes = (
        {key: value for key, value in wanted.items() if key not in _FIXED} if isinstance(wanted, dict) else {}
    )
    event_id = event_of(job)
    event = means.around.find("events", event_id)
    if event is None or all(event.get(key) == value for key, value in changes.items()):
        return  # done before, or there is nothing to change any more
    await _attempt(job, means, "update", changes)


async def delete(job: ActiveJob, means: Means) -> None:
    """Delete the event; while other jobs of it are active it is disabled instead. Raises Unavailable."""
    if means.around.find("events", event_of(job)) is None:
        return
    if not await _attempt(job, means, "delete"):
        await _attempt(job, means, "update", {"enabled": False})


async def clear_alert(job: ActiveJob, alerts: Alerts) -> None:
    try:
        await alerts.clear(str(job.job["clear_alert"]), job_id=job.id)
    except Unavailable:
        raise
    except Refusal as refusal:
        log.warning("an alert could not be cleared by its job", job=job.id, reason=refusal.description)


async def _attempt(job: ActiveJob, means: Means, verb: str, changes: dict[str, object] | None = None) -> bool:
    definitions, event_id = means.around.definitions, event_of(job)
    try:
        if verb == "delete":
            await definitions.delete("events", event_id, actor=SYSTEM, by=House("system"))
        else:
            await definitions.update("events", event_id, changes or {}, actor=SYSTEM, by=House("system"))
    except (Unavailable, Deposed):
        raise
    except Refusal as refusal:
        reason = refusal.description
    except Exception as error:  # whatever a plugin asked for, its job is stored
        reason = type(error).__name__
    else:
        return True
    log.warning("a job could not change its event", job=job.id, event_id=event_id, verb=verb, reason=reason)
    return False
