"""Ending a job before its time, in whatever state it is (contract jobs.md §14)."""

from collections.abc import Callable
from typing import Any

from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.jobs.agents import Agents
from conductor.jobs.notes import note
from conductor.jobs.ports import Suspension
from conductor.jobs.starting import Starting
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM, Actor, JobAborted
from shared import clock


class Aborting:
    def __init__(
        self,
        book: JobBook,
        agents: Agents,
        starting: Starting,
        suspension: Suspension,
        signals: Signals,
        *,
        host: str,
        end: Callable[[ActiveJob, dict[str, Any]], None],
        held: Callable[[str], bool],
        ending: Callable[[str], bool],
        abort_ending: Callable[[ActiveJob, str], None],
        abort_workflow: Callable[[ActiveJob, str], None],
    ) -> None:
        """`end` ends a job now; `held` and `ending` tell of jobs that are being placed, or settled."""
        self._book = book
        self._agents = agents
        self._starting = starting
        self._suspension = suspension
        self._signals = signals
        self._host = host
        self._end = end
        self._held = held
        self._ending = ending
        self._abort_ending = abort_ending
        self._abort_workflow = abort_workflow

    def abort(self, job_id: str, reason: str, actor: Actor = SYSTEM, *, retry_ok: bool = False) -> None:
        """Ask for the job's end. Raises Refusal (`job`) when it is not active.

        A running job ends when its satellite has reported; one whose actions run, when they have returned; a
        workflow job when its sub-jobs have; every other one at once.
        """
        job = self._book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        job.say(JobAborted(job_id=job_id, reason=reason, actor=actor, **job.story()))
        self._book.mark(job)
        note(job, self._host, f"Job is aborted: {reason}", clock.now())
        if self._ending(job_id):
            self._abort_ending(job, reason)
        elif self._starting.under_way(job_id):
            self._keep_reason(job, reason, retry_ok=retry_ok)
            self._release(job)
        elif job.job.get("type") == "workflow" and (self._held(job_id) or job.state == "active"):
            self._keep_reason(job, reason, retry_ok=retry_ok)
            if not self._held(job_id):
                self._abort_workflow(job, reason)
        elif job.state == "active" and not self._held(job_id) and job.server in self._agents.online:
            # The reason is kept, since a satellite that loses its connection now must be told again.
            self._keep_reason(job, reason, retry_ok=retry_ok)
            self._agents.abort(job.server, job.id, job.attempt, reason)
        else:
            self._release(job)
            self._end(job, {"code": "abort", "description": reason, "retry_ok": retry_ok})

    def _keep_reason(self, job: ActiveJob, reason: str, *, retry_ok: bool) -> None:
        once_more = "abort_reason" in job.job
        job.set(
            updated=clock.now(),
            abort_reason=job.job["abort_reason"] if once_more else reason,
            retry_ok=retry_ok and (not once_more or bool(job.job.get("retry_ok"))),
        )
        self._book.mark(job)

    def _release(self, job: ActiveJob) -> None:
        if job.job.get("suspended"):
            job.remove("suspended")
            self._book.mark(job)
            self._suspension.resume(job.id, SYSTEM, {})
