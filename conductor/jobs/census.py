"""How many jobs run and wait, by queue and by server: kept as jobs change, so that no decision has to count.

With ten thousand active jobs a count for each launch, each end and each tick would be most of what the
conductor does.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable, Set
from typing import NamedTuple

from conductor.jobs import delays, limits
from conductor.jobs.admission import RUNNING_STATES, Rank, Siblings, rank
from conductor.jobs.delays import Delays
from conductor.jobs.lines import kind_of, line_of, parent_of, shared_of
from conductor.jobs.reservations import Reservations
from conductor.live.job import ActiveJob

_DIGITS = 6
"""Sums of weights are rounded to this many, so that what is added and taken away ends at nothing."""
_NOBODY: Set[str] = frozenset()


class _Counted(NamedTuple):
    """As what a job is counted."""

    line: str
    kind: str
    parent: str
    state: str
    waits: Rank | None
    server: str
    weight: float

    @property
    def running(self) -> bool:
        return self.state in RUNNING_STATES


class _Line:
    """Similar jobs: how many run, and who waits, in the order in which they are to start."""

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
        self._kinds: dict[str, int] = {}
        self._children: dict[str, set[str]] = {}
        self._waited: dict[str, None] = {}
        """Queues, in the order in which they began."""
        self._moved: set[str] = set()
        self.ready: dict[str, None] = {}
        """Jobs that could be placed and were not yet."""
        self.delays = Delays()
        self.reservations = Reservations()
        self.load: dict[str, float] = {}
        """Sum of the weights of the jobs on each server; without servers that have none."""
        self.busy: dict[str, int] = {}
        """Number of jobs on each server; without servers that have none."""

    def siblings(self, job: ActiveJob) -> Siblings:
        """The other jobs of its queue; beside a job on its own, sub-jobs of the same event run too (§4).

        The workflows that a job belongs to are none of them: they end after it.
        """
        name, parent = line_of(job.job), parent_of(job.job)
        line = self._lines.get(name)
        own = self._counted.get(job.id)
        waiting = len(line.waiting) - bool(own and own.waits) if line else 0
        if not parent and not shared_of(job.job):
            running = self._kinds.get(kind_of(job.job), 0)
        else:
            running = line.running - self._ancestors_in(name, parent) if line else 0
        return Siblings(running - bool(own and own.running), waiting)

    def _ancestors_in(self, line: str, parent: str) -> int:
        """How many of the workflow jobs above a job hold slots of its queue."""
        found = 0
        while (above := self._counted.get(parent)) is not None:
            found += above.running and above.line == line
            parent = above.parent
        return found

    def queues(self) -> Iterable[str]:
        """The queues in which jobs wait, the one that began first at the front."""
        return list(self._waited)

    def first_of(self, line: str) -> str | None:
        """The next in a queue."""
        found = self._lines.get(line)
        return found.waiting[0].id if found is not None and found.waiting else None

    def queue_of(self, line: str) -> list[str]:
        """A queue, in order."""
        found = self._lines.get(line)
        return [waiting.id for waiting in found.waiting] if found is not None else []

    def moved(self) -> list[str]:
        """The queues that have changed since this was asked last."""
        moved, self._moved = self._moved, set()
        return [line for line in moved if line in self._lines]

    def children(self, job_id: str) -> Set[str]:
        """The active sub-jobs of a workflow job."""
        return self._children.get(job_id, _NOBODY)

    def count(self, job: ActiveJob) -> None:
        """The job has entered, or its state or server has changed."""
        before = self._counted.get(job.id)
        state = job.state
        if before is None:
            line_name, kind, parent = line_of(job.job), kind_of(job.job), parent_of(job.job)
        else:  # what it is never changes
            line_name, kind, parent = before.line, before.kind, before.parent
            self.forget(job.id)
        counted = _Counted(
            line_name,
            kind,
            parent,
            state,
            rank(job.job) if state == "queued" else None,
            job.server,
            limits.weight(job.job) if job.server else 0.0,
        )
        self._counted[job.id] = counted
        line = self._lines.setdefault(counted.line, _Line())
        line.jobs += 1
        if counted.running:
            line.running += 1
            self._kinds[counted.kind] = self._kinds.get(counted.kind, 0) + 1
        elif state == "ready":
            self.ready[job.id] = None
        elif state in delays.STATES:
            self.delays.put(job.id, limits.number(job.job.get("until")))
        if counted.parent:
            self._children.setdefault(counted.parent, set()).add(job.id)
        if counted.waits is not None:
            insort(line.waiting, counted.waits)
            self._waited.setdefault(counted.line)
            self._moved.add(counted.line)
        if counted.server:
            self.busy[counted.server] = self.busy.get(counted.server, 0) + 1
            self.load[counted.server] = round(self.load.get(counted.server, 0.0) + counted.weight, _DIGITS)
            if before is not None and before.server != counted.server:
                self.reservations.add(counted.server)

    def forget(self, job_id: str) -> None:
        """The job has left."""
        counted = self._counted.pop(job_id, None)
        if counted is None:
            return
        line = self._lines[counted.line]
        line.jobs -= 1
        if counted.running:
            line.running -= 1
            self._take_kind(counted.kind)
        elif counted.state == "ready":
            self.ready.pop(job_id, None)
        elif counted.state in delays.STATES:
            self.delays.forget(job_id)
        if counted.parent:
            self._take_child(counted.parent, job_id)
        if counted.waits is not None:
            del line.waiting[bisect_left(line.waiting, counted.waits)]
            self._moved.add(counted.line)
            if not line.waiting:
                self._waited.pop(counted.line, None)
        if not line.jobs:
            del self._lines[counted.line]
            self._moved.discard(counted.line)
        if counted.server:
            self._take_from(counted.server, counted.weight)

    def _take_kind(self, kind: str) -> None:
        left = self._kinds[kind] - 1
        if left:
            self._kinds[kind] = left
        else:
            del self._kinds[kind]

    def _take_child(self, parent: str, job_id: str) -> None:
        children = self._children[parent]
        children.discard(job_id)
        if not children:
            del self._children[parent]

    def _take_from(self, server: str, weight: float) -> None:
        left = self.busy[server] - 1
        if left:
            self.busy[server] = left
            self.load[server] = round(self.load[server] - weight, _DIGITS)
        else:
            del self.busy[server], self.load[server]
