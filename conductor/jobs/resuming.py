"""Letting a suspended job go on (contract jobs.md §13)."""

from collections.abc import Mapping
from typing import Any

from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.jobs.followers import Followers
from conductor.jobs.macros import set_overrides
from conductor.jobs.notes import note
from conductor.jobs.ports import Suspension
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import Activity, Actor, JobResumed
from shared import clock


class Resuming:
    """Who resumed a job, when, and with what is in its activity log and in its suspend action's details."""

    def __init__(
        self, book: JobBook, suspension: Suspension, followers: Followers, signals: Signals, host: str
    ) -> None:
        self._book = book
        self._suspension = suspension
        self._followers = followers
        self._signals = signals
        self._host = host

    async def resume(
        self,
        job_id: str,
        actor: Actor,
        *,
        params: Mapping[str, Any] | None = None,
        redirect: str = "",
        correlation_id: str = "",
    ) -> None:
        """Return when the book has it. `params` and their overrides count for a job that has not run yet.

        Raises Refusal (`job`) for a job that is not active, not suspended, or waits in no action, and
        BadParameter for an override whose value cannot be that property's; nothing has changed then.
        """
        job = self._book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        if not job.job.get("suspended"):
            raise Refusal("job", f"Job is not suspended: {job_id}")
        if not _waits(job):
            raise Refusal("job", f"Job has no active suspend action: {job_id}")
        self._suspension.check(job_id, actor)
        given = dict(params or {})
        if given and not job.job.get("complete"):
            changed = {**job.job, "params": {**(job.job.get("params") or {}), **given}}
            set_overrides(changed, given)
            job.update({key: value for key, value in changed.items() if job.job.get(key) != value})
        if redirect and isinstance(job.job.get("workflow"), dict):
            job.set(workflow={**job.job["workflow"], "redirect": redirect})
        job.remove("suspended")
        who = f"{'API Key' if actor.kind == 'api_key' else 'user'}: {actor.id}"
        note(job, self._host, f"Job is resumed by {who}", clock.now())
        self._suspension.resume(job_id, actor, given)
        job.say(JobResumed(job_id=job_id, actor=actor, **job.story()))
        self._signals.publish(
            Activity(
                action="job_resume",
                description=job_id,
                payload={"job": job_id, "params": given, **({"redirect": redirect} if redirect else {})},
                resource=("job", job_id),
                actor=actor,
                correlation_id=correlation_id,
            )
        )
        self._followers.changed(job_id)
        await self._book.save(job)


def _waits(job: ActiveJob) -> bool:
    """Whether one of its actions is a suspension that has not returned."""
    actions = job.job.get("actions")
    return any(
        isinstance(action, dict)
        and action.get("type") == "suspend"
        and action.get("enabled")
        and "code" not in action
        for action in (actions if isinstance(actions, list) else ())
    )
