"""Keeps the causal event log: takes over what the job book has told, and logs what no store of ours holds.

Everything else is written by whoever makes the change, in the change's own transaction.
"""

import asyncio
from collections import deque

import structlog

from conductor.audit.causal import rows
from conductor.errors import Deposed, Unavailable
from conductor.live.book import JobBook
from conductor.records.store import Records
from conductor.signals import EventRow, Signal
from shared import clock, faults

_TOGETHER = 500
_MOST_WAITING = 5_000
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def described(signal: Signal) -> tuple[EventRow, ...]:
    """What the log says of something that happens now: for `Signals`."""
    return rows(signal, clock.now())


async def keep_up(book: JobBook, records: Records) -> None:
    """Move what the book tells into the log until cancelled: there first, then out of the book.

    Whoever dies in between moves it again, and the log takes each entry once.
    """
    while True:
        entries = await book.outbox.some(_TOGETHER)
        try:
            await records.write(events=entries)
            faults.reach("conductor.outbox")
            await book.learned([str(entry["id"]) for entry in entries])
        except Unavailable as error:
            log.warning("the event log waits", events=len(book.outbox), reason=error.description)
            await asyncio.sleep(_RETRY_SECONDS)


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
                self._waiting.clear()  # only a primary may append: others would break the chain
            except Unavailable as error:
                log.warning("events are waiting", events=len(self._waiting), reason=error.description)
                await asyncio.sleep(_RETRY_SECONDS)

    async def flush(self, timeout: float) -> None:
        """Return when every event observed so far is stored, or after `timeout` seconds. Not beside `run`."""
        try:
            async with asyncio.timeout(timeout):
                while self._waiting:
                    await self._write()
        except (TimeoutError, Unavailable, Deposed):
            log.warning("events were not stored", events=len(self._waiting))

    async def _write(self) -> None:
        batch = [self._waiting[at] for at in range(min(_TOGETHER, len(self._waiting)))]
        await self._records.write(events=batch)
        async with self._changed:
            for _ in batch:
                self._waiting.popleft()
            self._changed.notify_all()
