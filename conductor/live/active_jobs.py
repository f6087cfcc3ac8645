"""The active jobs of the book in memory: by ID, by event and by workflow."""

from collections.abc import Iterator
from typing import Protocol

from conductor.live.job import ActiveJob


class Observer(Protocol):
    """Who is told of each job that enters the book, changes its state or server, or leaves."""

    def count(self, job: ActiveJob) -> None: ...

    def forget(self, job_id: str) -> None: ...


class ActiveJobs:
    """What Redis has: the book alone lets jobs enter and leave, once it is written there."""

    def __init__(self) -> None:
        self._jobs: dict[str, ActiveJob] = {}
        self._by_event: dict[str, set[str]] = {}
        self._by_parent: dict[str, set[str]] = {}
        self._observer: Observer | None = None

    def __len__(self) -> int:
        return len(self._jobs)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._jobs

    def __iter__(self) -> Iterator[ActiveJob]:
        return iter(self._jobs.values())

    def get(self, job_id: str) -> ActiveJob | None:
        return self._jobs.get(job_id)

    def of_event(self, event_id: str) -> list[ActiveJob]:
        """In the order they were accepted."""
        return [self._jobs[job_id] for job_id in sorted(self._by_event.get(event_id, ()))]

    def count_of_event(self, event_id: str) -> int:
        return len(self._by_event.get(event_id, ()))

    def of_workflow(self, job_id: str) -> list[ActiveJob]:
        """The sub-jobs of a workflow job in the order they were accepted."""
        return [self._jobs[child] for child in sorted(self._by_parent.get(job_id, ()))]

    def observe(self, observer: Observer) -> None:
        """Tell of every job from now on, those already there first."""
        self._observer = observer
        for job in self:
            job.moved = observer.count
            observer.count(job)

    def enter(self, job: ActiveJob) -> None:
        self._jobs[job.id] = job
        if job.parent:
            self._by_parent.setdefault(job.parent, set()).add(job.id)
        self._by_event.setdefault(str(job.job.get("event", "")), set()).add(job.id)
        if self._observer is not None:
            job.moved = self._observer.count
            self._observer.count(job)

    def leave(self, job_id: str) -> None:
        """One that is not there may have left before."""
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        job.moved = None
        if self._observer is not None:
            self._observer.forget(job_id)
        _drop(self._by_event, str(job.job.get("event", "")), job_id)
        _drop(self._by_parent, job.parent, job_id)


def _drop(index: dict[str, set[str]], key: str, job_id: str) -> None:
    members = index.get(key)
    if members is not None:
        members.discard(job_id)
        if not members:
            del index[key]
