"""Between the choice of a server and the start: the job's `start` actions (contract jobs.md §6).

While they run the job is `starting`: it holds its slot and its room on the server. A suspend action keeps it
there until somebody resumes it; then a server is chosen again.
"""

from collections.abc import Callable
from typing import Any

from conductor.jobs.ports import Ports
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob

CONDITION = "start"


class Starting:
    def __init__(self, book: JobBook, ports: Ports, end: Callable[[ActiveJob, dict[str, Any]], None]) -> None:
        """`end` finishes a job with the given result properties."""
        self._book = book
        self._actions = ports.actions
        self._end = end
        self._under_way: set[str] = set()

    def wanted(self, job: ActiveJob) -> bool:
        """Whether the job has start actions that have not been run: one that has a `code` is done."""
        actions = job.job.get("actions")
        return bool(actions) and any(
            isinstance(action, dict)
            and action.get("enabled")
            and action.get("condition") == CONDITION
            and "code" not in action
            for action in (actions if isinstance(actions, list) else ())
        )

    async def announce(self, job: ActiveJob) -> None:
        """The job starts and has no actions to run before: whoever counts starts hears of it."""
        await self._actions.run_for_job(job, (CONDITION,))

    def under_way(self, job_id: str) -> bool:
        """Whether the job's start actions run just now: an abort takes effect when they return."""
        return job_id in self._under_way

    async def run(self, job: ActiveJob) -> bool:
        """Whether the job is to go on once its start actions are done."""
        self._under_way.add(job.id)
        try:
            await self._actions.run_for_job(job, (CONDITION,))
        finally:
            self._under_way.discard(job.id)
        if job.id not in self._book:
            return False
        reason = job.job.get("abort_reason")
        if reason is None:
            return True
        self._end(
            job,
            {"code": "abort", "description": str(reason), "retry_ok": bool(job.job.get("retry_ok"))},
        )
        return False
