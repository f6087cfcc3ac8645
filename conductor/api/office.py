"""What handlers need of the primary's present term."""

from collections.abc import Iterable, Mapping
from typing import Any

from conductor.access.account import Account
from conductor.actions.runner import Actions
from conductor.errors import NotPrimary
from conductor.jobs.engine import JobEngine
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob


class Office:
    """Holds the job engine and the actions while this conductor is primary; main sets and clears them."""

    def __init__(self) -> None:
        self._engine: JobEngine | None = None
        self._actions: Actions | None = None

    def open(self, engine: JobEngine, actions: Actions | None = None) -> None:
        self._engine, self._actions = engine, actions

    def close(self) -> None:
        self._engine = self._actions = None

    @property
    def actions(self) -> Actions:
        """Raises NotPrimary between terms."""
        if self._actions is None:
            raise NotPrimary
        return self._actions

    @property
    def engine(self) -> JobEngine:
        """Raises NotPrimary between terms."""
        if self._engine is None:
            raise NotPrimary
        return self._engine

    def jobs(self) -> Iterable[ActiveJob]:
        """All active jobs; none between terms."""
        return self._engine.book if self._engine else ()

    def book(self) -> JobBook | None:
        """The active jobs of this term; None between terms."""
        return self._engine.book if self._engine else None

    def job(self, job_id: str) -> Mapping[str, Any] | None:
        """An active job, None for one that is not."""
        active = self.engine.book.get(job_id)
        return None if active is None else active.job

    def jobs_of_event(self, event_id: str, account: Account) -> tuple[list[dict[str, Any]], int]:
        """The event's active jobs that the caller may see, and how many of them are queued."""
        jobs = [job.job for job in self.engine.book.of_event(event_id) if account.sees_job(job.job)]
        return jobs, sum(job["state"] == "queued" for job in jobs)

    def count_of_event(self, event_id: str) -> int:
        """Active jobs of an event in any state."""
        return self.engine.book.count_of_event(event_id)

    def count(self) -> int:
        """All active jobs; 0 between terms."""
        return len(self._engine.book) if self._engine else 0
