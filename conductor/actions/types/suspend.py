"""Suspend Job: wait until a person lets the job go on (contract actions.md §6, jobs.md §13).

Beside the contract's fields an action may name its `approvers` (usernames; others cannot resume the job) and
a `timeout` in seconds, after which a job that has not run is aborted and one that has run goes on.
"""

import asyncio
from typing import Any

from conductor.actions import display
from conductor.actions.occasion import Means, Occasion
from conductor.actions.recipients import listed
from conductor.actions.result import Result, failed
from conductor.actions.types import email, web_hook
from conductor.live.job import ActiveJob
from conductor.signals import JobSuspended
from shared import clock

_NOTICE_SECONDS = 120.0
"""How long those who are told may take: the job is suspended all the while."""


async def run(occasion: Occasion, means: Means) -> Result:
    job, action = occasion.job, occasion.action
    if job is None:
        return failed("suspend", "Only a job can be suspended.")
    if action.get("resumed"):
        return _went_on(action)  # it was resumed just before a take-over
    sources = listed(action.get("sources"))
    source = _outermost_source(job, means)
    if sources and source not in sources:
        return Result(0, f"Suspension is skipped: the job's source is {source}.")
    action["template"] = "job_suspended"
    action.setdefault("suspended", clock.now())
    job.set(suspended=True)
    job.say(JobSuspended(job_id=job.id, **job.story()))
    means.jobs.note(job, "Job is suspended until somebody lets it go on.")
    await means.save(job)
    means.jobs.changed(job.id)
    waiting = asyncio.ensure_future(means.suspensions.wait(job.id))
    try:
        if not action.get("notified"):
            await _notify(occasion, means)
            action["notified"] = True
            await means.save(job)
        expired = not await _let_go(waiting, _time_left(action))
    finally:
        waiting.cancel()
    job.remove("suspended")
    if expired:
        return _expired(job, means)
    return _went_on(action) if action.get("resumed") else Result(0, "The job was aborted while it waited.")


def _went_on(action: dict[str, Any]) -> Result:
    """`resumed` is what the runner has booked of the resumption."""
    resumed = action.pop("resumed")
    notices = str(action.pop("notices", "") or "")
    return Result(0, f"Job was resumed by {resumed['by']}.", f"{resumed['details']}\n\n{notices}".strip())


def _expired(job: ActiveJob, means: Means) -> Result:
    if job.state == "complete":
        return Result(0, "Nobody resumed the job in time: it goes on.")
    means.jobs.abort(job.id, "Nobody resumed the job in time.")
    return failed("suspend", "Nobody resumed the job in time: it is aborted.")


async def _notify(occasion: Occasion, means: Means) -> None:
    """Tell people, side by side. That one of them could not be told keeps nobody from resuming."""
    action, parts = occasion.action, []
    if listed(action.get("users")) or listed(action.get("email")):
        parts.append(("Email", email.send(occasion, means, action)))
    if action.get("web_hook"):
        parts.append(("Web Hook", web_hook.fire(occasion, means, action["web_hook"], action.get("text"))))
    try:
        async with asyncio.timeout(_NOTICE_SECONDS):
            outcomes = await asyncio.gather(*(part for _, part in parts), return_exceptions=True)
    except TimeoutError:
        outcomes = [TimeoutError("no answer in time")] * len(parts)
    notices = []
    for (name, _), outcome in zip(parts, outcomes, strict=True):
        told = outcome.description if isinstance(outcome, Result) else f"Failed: {type(outcome).__name__}"
        notices.append(f"### {name}\n\n{told}")
    if notices:
        action["notices"] = "\n\n".join(notices)


async def _let_go(waiting: "asyncio.Future[None]", seconds: float | None) -> bool:
    """Whether the job was let go before its time was over."""
    done, _ = await asyncio.wait({waiting}, timeout=seconds)
    return bool(done)


def _time_left(action: dict[str, Any]) -> float | None:
    limit = display.number(action.get("timeout"))
    if limit <= 0:
        return None
    return max(limit - (clock.now() - display.number(action.get("suspended"))), 0.0)


def _outermost_source(job: ActiveJob, means: Means) -> str:
    """For a workflow's job that of the workflow, and of the one around it."""
    document: Any = job.job
    for _ in range(20):
        workflow = document.get("workflow")
        parent = workflow.get("job") if isinstance(workflow, dict) else None
        above = means.around.active_job(str(parent)) if parent else None
        if above is None:
            break
        document = above
    return str(document.get("source") or "")
