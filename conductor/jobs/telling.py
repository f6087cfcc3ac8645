"""Telling of runtime limits that have fired: at least once each, whoever dies (contract jobs.md §8).

What is to be told is in the book before anybody is told; the next primary tells what it finds there again, with a
mark. A job's end waits until its limits are told, since it leaves the book then; nothing else does.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from conductor.errors import Deposed, Unavailable
from conductor.jobs.limits.notices import LimitNotices, Notified
from conductor.jobs.limits.reading import Limit
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from shared import clock, faults

_RETRY_SECONDS = 5.0
"""A job that is tried again waits no longer than this for those who are told why."""
_REPEATED = "*This was under way when its conductor ended, and has been told again.*"

log = structlog.get_logger(__name__)


class LimitTelling:
    def __init__(
        self,
        book: JobBook,
        notices: LimitNotices,
        spawn: Callable[[Coroutine[Any, Any, object]], None],
    ) -> None:
        self._book = book
        self._notices = notices
        self._spawn = spawn
        self._under_way: dict[str, set[asyncio.Event]] = {}

    def tell(self, job: ActiveJob, limit: Limit) -> None:
        """Tell whom the limit names, in a task of its own. The limit has fired."""
        limit["active"] = True
        job.set(limits=job.job["limits"])
        done = asyncio.Event()
        self._under_way.setdefault(job.id, set()).add(done)
        self._spawn(self._tell(job, limit, done))

    def resume(self, job: ActiveJob) -> None:
        """Tell again what an earlier primary had begun to tell."""
        limits = job.job.get("limits")
        for limit in limits if isinstance(limits, list) else ():
            if isinstance(limit, dict) and limit.get("active"):
                limit["repeated"] = int(limit.get("repeated") or 0) + 1
                self.tell(job, limit)

    async def settled(self, job: ActiveJob, *, retried: bool) -> None:
        """Return when all that the job's limits have to tell is told; a retry waits for some seconds only."""
        waiting = [done.wait() for done in self._under_way.get(job.id, ())]
        if waiting:
            try:
                async with asyncio.timeout(_RETRY_SECONDS if retried else None):
                    await asyncio.gather(*waiting)
            except TimeoutError:
                log.warning("a job is tried again before its limit was told", job=job.id)

    async def _tell(self, job: ActiveJob, limit: Limit, done: asyncio.Event) -> None:
        began = clock.monotonic()
        try:
            await self._booked(job)
            faults.reach("conductor.limit_begun")
            notified = await self._notified(job, limit)
            details = (
                f"{_REPEATED}\n\n{notified.details}".rstrip() if limit.get("repeated") else notified.details
            )
            limit.pop("active", None)
            limit.update(
                code=notified.code,
                description=notified.description,
                details=details,
                elapsed_ms=round((clock.monotonic() - began) * 1000),
            )
            if job.id in self._book:
                job.set(limits=job.job["limits"])
                self._book.mark(job)
        finally:
            done.set()
            under_way = self._under_way.get(job.id, set())
            under_way.discard(done)
            if not under_way:
                self._under_way.pop(job.id, None)

    async def _notified(self, job: ActiveJob, limit: Limit) -> Notified:
        try:
            return Notified(*await self._notices.limit_fired(job, dict(limit), str(limit.get("msg") or "")))
        except Deposed:
            raise
        except Exception:
            log.exception("a limit could not be told", job=job.id)
            return Notified("limit", "The notices of this limit failed.")

    async def _booked(self, job: ActiveJob) -> None:
        """The book has it, if its store can be reached: nobody goes untold because it cannot."""
        try:
            await self._book.save(job)
        except Unavailable as error:
            log.warning("a limit is told before it is booked", job=job.id, error=str(error))
