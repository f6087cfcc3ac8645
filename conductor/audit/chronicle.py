"""Keeps the causal event log: takes over what the job book has told, and logs what no store of ours holds.

Everything else is written by whoever makes the change, in the change's own transaction.
"""

import asyncio
from collections import deque
from collections.abc import Sequence

import structlog

from conductor.audit.causal import rows
from conductor.errors import Deposed, Unavailable
from conductor.live.book import JobBook
from conductor.records.store import Records
from conductor.signals import EventRow, Signal
from shared import clock, faults

_GATHER_SECONDS = 0.25
_LASTING_SECONDS = 0.25
"""An event of a job waits this long for the job's end."""
_TOGETHER = 500
_MOST_WAITING = 5_000
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def described(signal: Signal) -> Sequence[EventRow]:
    """What the log says of something that happens now: for `Signals`."""
    return rows(signal, clock.now())


async def keep_up(book: JobBook, records: Records) -> None:
    """Move what the book tells into the log until cancelled: there first, then out of the book.

    Whoever dies in between moves it again, and the log takes each entry once.
    """
    while True:
        await book.until_telling()
        await asyncio.sleep(_GATHER_SECONDS)
        try:
            while await _empty_outbox(book, records) + await _relieve_jobs(book, records) >= _TOGETHER:
                pass
        except Unavailable as error:
            log.warning("the event log waits", reason=error.description)
            await asyncio.sleep(_RETRY_SECONDS)


async def _empty_outbox(book: JobBook, records: Records) -> int:
    entries = book.outbox.some(_TOGETHER)
    if entries:
        await records.write(events=entries)
        faults.reach("conductor.outbox")
        await book.forget([entry.id for entry in entries])
    return len(entries)


async def _relieve_jobs(book: JobBook, records: Records) -> int:
    """Log what jobs say that last: the end of the others takes it along at less cost."""
    told = book.lasting(int((clock.now() - _LASTING_SECONDS) * 1_000_000), _TOGETHER)
    rows = [row for _, untold in told for one in untold for row in one.rows]
    if not rows:
        return 0
    for _, untold in told:
        for one in untold:
            one.leaving = True
    try:
        await records.write(events=rows)
    finally:
        for _, untold in told:
            for one in untold:
                one.leaving = False
    faults.reach("conductor.told")
    for job, untold in told:
        book.learned(job, untold)
    return len(rows)


class Chronicle:
    """An observer of what is not logged otherwise: refused logins, notices, the use of secrets.

    While the database is away rows wait; when too many do, `observe` waits, and its queue drops the oldest.
    """

    def __init__(self, records: Records) -> None:
        self._records = records
        self._waiting: deque[EventRow] = deque()
        self._changed = asyncio.Condition()

    async def observe(self, signal: Signal) -> None:
        made = described(signal)
        if not made:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < _MOST_WAITING)
            self._waiting.extend(made)
            self._changed.notify_all()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._waiting))
            try:
                await self._write()
            except Deposed:
                log.warning("events of no primary are not logged", events=len(self._waiting))
                async with self._changed:
                    self._waiting.clear()  # only a primary may append: others would break the chain
                    self._changed.notify_all()
            except Unavailable as error:
                log.warning("events are waiting", events=len(self._waiting), reason=error.description)
                await asyncio.sleep(_RETRY_SECONDS)

    async def settled(self, timeout: float) -> None:
        """Return when `run` has stored every event observed so far, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: not self._waiting)
        except TimeoutError:
            log.warning("events were not stored", events=len(self._waiting))

    async def _write(self) -> None:
        batch = [self._waiting[at] for at in range(min(_TOGETHER, len(self._waiting)))]
        await self._records.write(events=batch)
        async with self._changed:
            for _ in batch:
                self._waiting.popleft()
            self._changed.notify_all()
