"""The activity log: an observer that stores a row for each signal worth one. Contract platform.md §8."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from conductor.audit.rows import row
from conductor.errors import Unavailable
from conductor.records.search import words
from conductor.records.search.index import ACTIVITY
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import activity, terms
from conductor.signals import Signal
from shared.clock import now
from shared.ids import short_id

Json = dict[str, Any]

_BATCH = 500
_GATHER_SECONDS = 0.02
"""How long the first row waits for others: a transaction for each would slow down what it tells of."""
_MOST_WAITING = 5_000
_RETRY_SECONDS = 1.0

_ADD = insert_new(activity)
_ADD_TERMS = insert_new(terms)

log = structlog.get_logger(__name__)


class ActivityLog:
    """Subscribe `observe` to the signals and run `run`; rows are written in batches, in order.

    `followers` hear of each row once it is stored (browsers, hooks, counters). They must return at once.
    While the database is away rows wait; when too many wait, `observe` does too, and its queue of signals
    drops the oldest.
    """

    def __init__(self, records: Records, followers: Sequence[Callable[[Json], None]] = ()) -> None:
        self._records = records
        self._followers = list(followers)
        self._waiting: deque[Json] = deque()
        self._changed = asyncio.Condition()
        self._writing = 0

    def follow(self, follower: Callable[[Json], None]) -> None:
        """Tell `follower` of each row from now on."""
        self._followers.append(follower)

    async def observe(self, signal: Signal) -> None:
        made = row(signal, id=short_id("a"), epoch=int(now()))
        if made is None:
            return
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) < _MOST_WAITING)
            self._waiting.append(made)
            self._changed.notify_all()

    async def run(self) -> None:
        """Write until cancelled; what waits then is written by `flush`."""
        while True:
            async with self._changed:
                await self._changed.wait_for(lambda: bool(self._waiting))
            await asyncio.sleep(_GATHER_SECONDS)
            try:
                await self._write_batch()
            except Unavailable as error:
                log.warning("activity rows are waiting", rows=len(self._waiting), reason=error.description)
                await asyncio.sleep(_RETRY_SECONDS)

    async def flush(self, timeout: float) -> None:
        """Return when every row observed so far is stored, or after `timeout` seconds. Needs no `run`."""
        try:
            async with asyncio.timeout(timeout):
                while self._waiting or self._writing:
                    if self._writing:
                        async with self._changed:
                            await self._changed.wait_for(lambda: not self._writing)
                    else:
                        await self._write_batch()
        except (TimeoutError, Unavailable):
            log.warning("activity rows were not stored", rows=len(self._waiting) + self._writing)

    async def _write_batch(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        self._writing = len(batch)
        stored = False
        try:
            await self._records.write(
                Write(_ADD, [_columns(one) for one in batch]),
                Write(_ADD_TERMS, [term for one in batch for term in _terms(one)]),
                fenced=False,  # what a conductor has seen is true after its term too
            )
            stored = True
        finally:
            if not stored:
                self._waiting.extendleft(reversed(batch))  # an ID stored twice is ignored
            self._writing = 0
            async with self._changed:
                self._changed.notify_all()
        for one in batch:
            for follower in self._followers:
                follower(one)


def _columns(one: Json) -> Json:
    return {
        "id": one["id"],
        "action": one["action"],
        "epoch": one["epoch"],
        "doc": msgspec.json.encode(one),
    }


def _terms(one: Json) -> list[Json]:
    """The word index of a row: its action and its keywords."""
    return [
        {"index_name": ACTIVITY.name, "field": field, "word": word, "record": one["id"]}
        for field, word in words.terms(ACTIVITY, one)
    ]
