"""Letting a suspended job go on: booked first, then done (contract jobs.md §13)."""

from collections.abc import Mapping
from typing import Any

from conductor.actions import display
from conductor.actions.occasion import Means
from conductor.actions.recipients import listed
from conductor.actions.result import Action
from conductor.actions.selection import entries
from conductor.actions.suspensions import Resumption
from conductor.announcer import Signals
from conductor.errors import AccessDenied, Refusal
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import Activity, Actor, JobResumed
from shared import clock


class Resuming:
    def __init__(self, means: Means, signals: Signals) -> None:
        self._means = means
        self._signals = signals

    async def resume(self, job: ActiveJob, by: Actor, params: Mapping[str, Any], redirect: str) -> None:
        """Raises Refusal: `job` when nothing waits, `access` for whom the action does not name, `api`."""
        if not job.job.get("suspended"):
            raise Refusal("job", f"Job is not suspended: {job.id}")
        action = _waiting_action(job)
        if action is None or not self._means.suspensions.waits(job.id):
            raise Refusal("job", f"No waiting suspend action found for job: {job.id}")
        _check_approver(action, by)
        waits_to_start = job.state != "complete"
        if waits_to_start and params:
            self._means.jobs.merge_params(job, params)
        _note_resumption(action, Resumption(by=by, date=clock.now(), params=dict(params), redirect=redirect))
        job.set(actions=job.job["actions"])
        job.remove("suspended")
        if redirect and isinstance(job.job.get("workflow"), dict):
            job.set(workflow={**job.job["workflow"], "redirect": redirect})
        if waits_to_start:
            job.remove("server", "groups")
            job.set(state=job.state)  # those who count by server hear of it
        self._means.jobs.note(job, f"Job was resumed by {by.id or by.kind}.")
        job.say(JobResumed(job_id=job.id, actor=by, **job.story()))
        await self._means.save(job)
        self._means.suspensions.release(job.id)
        self._means.jobs.changed(job.id)
        self._signals.publish(
            Activity(
                action="job_resume",
                description=job.id,
                payload={"id": job.id},
                keywords=(job.id,),
                resource=("job", job.id),
                actor=by,
            )
        )


class Suspension:
    """The waiting alone, for who has changed and booked the job himself: fills the jobs room's port `Suspension`."""

    def __init__(self, book: JobBook, means: Means) -> None:
        self._book = book
        self._means = means

    def check(self, job_id: str, by: Actor) -> None:
        """Raises AccessDenied for whom the waiting action does not name."""
        job = self._book.get(job_id)
        action = _waiting_action(job) if job else None
        if action is not None:
            _check_approver(action, by)

    def resume(self, job_id: str, by: Actor, params: Mapping[str, Any]) -> None:
        """Let the job's waiting action end; by the system it ends without having been resumed."""
        job = self._book.get(job_id)
        action = _waiting_action(job) if job else None
        if job is not None and action is not None and by.kind != "system":
            _note_resumption(action, Resumption(by=by, date=clock.now(), params=dict(params)))
            job.set(actions=job.job["actions"])
        self._means.suspensions.release(job_id)


def _check_approver(action: Action, by: Actor) -> None:
    approvers = listed(action.get("approvers"))
    if approvers and by.id not in approvers:
        raise AccessDenied(f"Only {', '.join(approvers)} may resume this job.")


def _note_resumption(action: Action, resumption: Resumption) -> None:
    """Booked with the action: should we die now, the next term knows that nobody needs to be asked again."""
    suspended = resumption.date - (display.number(action.get("suspended")) or resumption.date)
    by = resumption.by
    action["resumed"] = {"by": by.id or by.kind, "details": resumption.details(suspended)}


def _waiting_action(job: ActiveJob) -> Action | None:
    return next(
        (
            one
            for one in entries(job.job.get("actions"))
            if one.get("type") == "suspend" and one.get("active") and not one.get("resumed")
        ),
        None,
    )
