"""How many jobs run and wait, by event and by server: kept as jobs change, so that no decision has to count.

With ten thousand active jobs a count for each launch, each end and each tick would be most of what the
conductor does.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

from conductor.jobs import limits
from conductor.jobs.admission import RUNNING_STATES, Rank, Siblings, rank
from conductor.live.book import ActiveJob

_DIGITS = 6
"""Sums of weights are rounded to this many, so that what is added and taken away ends at nothing."""


class _Counted(NamedTuple):
    """As what a job is counted."""

    event: str
    running: bool
    waits: Rank | None
    server: str
    weight: float


class _Line:
    """The jobs of one event: how many run, and who waits, in the order in which they are to start."""

    __slots__ = ("jobs", "running", "waiting")

    def __init__(self) -> None:
        self.jobs = 0
        self.running = 0
        self.waiting: list[Rank] = []


class Census:
    """Fills `conductor.live.book.Observer`."""

    def __init__(self) -> None:
        self._counted: dict[str, _Counted] = {}
        self._lines: dict[str, _Line] = {}
        self.load: dict[str, float] = {}
        """Sum of the weights of the jobs on each server; without servers that have none."""
        self.busy: dict[str, int] = {}
        """Number of jobs on each server; without servers that have none."""

    def siblings(self, job: ActiveJob) -> Siblings:
        """The other jobs of the job's event."""
        line = self._lines.get(_event(job))
        if line is None:
            return Siblings(0, 0)
        own = self._counted.get(job.id)
        running = line.running - bool(own and own.running)
        return Siblings(running, len(line.waiting) - bool(own and own.waits))

    def queues(self) -> Iterable[str]:
        """The events whose jobs wait."""
        return [event for event, line in self._lines.items() if line.waiting]

    def first_of(self, event: str) -> str | None:
        """The next in the event's queue."""
        line = self._lines.get(event)
        return line.waiting[0].id if line is not None and line.waiting else None

    def queue_of(self, event: str) -> list[str]:
        """The event's queue, in order."""
        line = self._lines.get(event)
        return [waiting.id for waiting in line.waiting] if line is not None else []

    def count(self, job: ActiveJob) -> None:
        """The job has entered, or its state or server has changed."""
        self.forget(job.id)
        counted = _Counted(
            _event(job),
            job.state in RUNNING_STATES,
            rank(job.job) if job.state == "queued" else None,
            job.server,
            limits.weight(job.job) if job.server else 0.0,
        )
        self._counted[job.id] = counted
        line = self._lines.setdefault(counted.event, _Line())
        line.jobs += 1
        line.running += counted.running
        if counted.waits is not None:
            insort(line.waiting, counted.waits)
        if counted.server:
            self.busy[counted.server] = self.busy.get(counted.server, 0) + 1
            self.load[counted.server] = round(self.load.get(counted.server, 0.0) + counted.weight, _DIGITS)

    def forget(self, job_id: str) -> None:
        """The job has left."""
        counted = self._counted.pop(job_id, None)
        if counted is None:
            return
        line = self._lines[counted.event]
        line.jobs -= 1
        line.running -= counted.running
        if counted.waits is not None:
            del line.waiting[bisect_left(line.waiting, counted.waits)]
        if not line.jobs:
            del self._lines[counted.event]
        if counted.server:
            self._take_from(counted.server, counted.weight)

    def _take_from(self, server: str, weight: float) -> None:
        left = self.busy[server] - 1
        if left:
            self.busy[server] = left
            self.load[server] = round(self.load[server] - weight, _DIGITS)
        else:
            del self.busy[server], self.load[server]


def _event(job: ActiveJob) -> str:
    return str(job.job.get("event", ""))
