"""Emptying an event's queue (contract jobs.md §9, `flush_event_queue`)."""

import asyncio
from collections.abc import Callable

import structlog

from conductor.announcer import Signals
from conductor.errors import Unavailable
from conductor.jobs.followers import Followers
from conductor.jobs.graphs import Graphs
from conductor.jobs.lines import parent_of
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import Activity, Actor, JobFlushed
from shared import clock

REMOVED = "Removed from the queue"
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class Queues:
    def __init__(
        self,
        book: JobBook,
        followers: Followers,
        signals: Signals,
        graphs: Graphs,
        *,
        removed: Callable[[ActiveJob, ActiveJob], bool],
        left: Callable[[ActiveJob], None],
    ) -> None:
        """`removed` counts a sub-job (first) in its parent (second); `left` is told once it has left the book."""
        self._book = book
        self._followers = followers
        self._signals = signals
        self._graphs = graphs
        self._removed = removed
        self._left = left

    async def flush(self, event_id: str, actor: Actor, correlation_id: str = "") -> int:
        """Remove the event's queued jobs: no actions, no record. Answers how many.

        Workflow jobs learn of their sub-jobs with the same step, so that none waits for ever; callers that
        wait for one get it as aborted.
        """

        def flushed(count: int) -> Activity:
            return Activity(
                action="queue_flush",
                description=event_id,
                payload={"event": event_id, "count": count},
                resource=("event", event_id),
                actor=actor,
                correlation_id=correlation_id,
            )

        count, waiting = 0, [job for job in self._book.of_event(event_id) if _waits(job)]
        for job in waiting:
            if not _waits(job):
                continue  # it was started while others were on their way out
            count += 1
            # First of all, so that nobody gives it a server while it is on its way out.
            job.set(complete=True, code="abort", description=REMOVED, completed=clock.now(), elapsed=0)
            job.say(JobFlushed(job_id=job.id, event_id=event_id, actor=actor, **job.story()))
            if job is waiting[-1]:
                job.say(flushed(count))
            await self._remove(job)
        if not waiting:
            self._signals.publish_logged(flushed(0))  # nothing has changed, so there is no event
        elif waiting[-1].job.get("description") != REMOVED:
            self._signals.publish(flushed(count))
        return count

    async def _remove(self, job: ActiveJob) -> None:
        if await self._graphs.flushed(job, REMOVED):
            self._gone(job)
            return
        parent = self._book.get(parent_of(job.job))
        told = parent if parent is not None and self._removed(job, parent) else None
        while True:  # until it is written, or the lease has ended: the parent counts it already
            try:
                await self._book.drop(job, told)
                break
            except Unavailable as error:
                log.warning("a removed job waits for the book", job=job.id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
        self._gone(job)

    def _gone(self, job: ActiveJob) -> None:
        self._followers.finished(job.id, {**job.details, **job.job, "state": "complete"})
        self._left(job)


def _waits(job: ActiveJob) -> bool:
    return job.state == "queued" and not job.job.get("complete")
