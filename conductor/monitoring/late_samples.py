"""Minute samples of a cut, sent when it was over (contract monitor_data.md, "Where to be better" 8).

Each fills the minute of its server's timeline that has no sample, and nothing else follows from it: no alert is
judged on the past, and the latest sample stays the latest. A repeated one finds its minute taken.
"""

import asyncio
import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog

from conductor.errors import Unavailable
from conductor.monitoring.buckets import HOUR, MINUTE, BadBlock, OpenHour
from conductor.monitoring.intake import cut
from conductor.monitoring.monitors import Budget, Monitors, Number, evaluate
from conductor.monitoring.once import Once
from conductor.monitoring.timelines import Timelines
from conductor.monitoring.unwritten import Unwritten
from shared.clock import Seconds
from shared.protocol.messages import LateSamples as Message

MOST_AGE: Seconds = 24 * HOUR + HOUR
"""Older samples are dropped; satellites keep a day's."""
_GATHER_SECONDS: Seconds = 0.2
"""A fleet that comes back is written together."""
_RETRY_SECONDS: Seconds = 1.0

Values = Mapping[str, Number]
Place = tuple[str, int]
"""Server, and number of an hour."""

log = structlog.get_logger(__name__)


class Standing(NamedTuple):
    """How far a server's own timeline has come."""

    hour: OpenHour
    minute: int
    """Of its last live sample, since 1970."""


class _Batch(NamedTuple):
    minutes: Mapping[int, Values]
    """By minutes since 1970."""
    taken: Callable[[], None]


class LateSamples:
    """`run` must be running. Of each server one batch waits, until a live sample has shown where its timeline is:
    what came before it is late, and the hour that is being filled is in memory."""

    def __init__(
        self,
        timelines: Timelines,
        unwritten: Unwritten,
        monitors: Monitors,
        standing: Callable[[str], Standing | None],
        once: Once,
    ) -> None:
        self._timelines = timelines
        self._unwritten = unwritten
        self._monitors = monitors
        self._standing = standing
        self._once = once
        self._budget = Budget()
        self._waiting: dict[str, _Batch] = {}
        self._came = asyncio.Event()
        self._term = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(
        self, server_id: str, groups: Iterable[str], message: Message, now: float, taken: Callable[[], None]
    ) -> None:
        """Take in a batch, in place of one that waits. `taken` is called when it is in SQL. Never raises."""
        minutes: dict[int, Values] = {}
        standing = self._standing(server_id)
        self._budget.begin(int(now) // MINUTE)
        for date, data in _dated(message, now):
            minute = date // MINUTE
            if minute in minutes or data.get("dummy") or (standing is not None and standing.hour.has(date)):
                continue
            try:
                cut(data)
                found = evaluate(
                    self._monitors.all(), groups, data, None, date, exhausted=self._budget.exhausted
                )
            except Exception:  # one server's sample must not stop the others
                self._once.exception(server_id, "a late sample failed")
                continue
            self._budget.spend(found.slow)
            minutes[minute] = found.values
        self._waiting[server_id] = _Batch(minutes, taken)
        self._came.set()

    def went_on(self, server_id: str) -> None:
        """A live sample was taken."""
        if server_id in self._waiting:
            self._came.set()

    def drop(self, server_id: str) -> None:
        """It left, or was deleted; a satellite sends again what nobody acknowledged."""
        self._waiting.pop(server_id, None)

    def forget(self) -> None:
        """The term has ended."""
        self._term += 1
        self._waiting.clear()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._came.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            self._came.clear()
            try:
                await self.settle()
            except Unavailable as error:
                log.warning("late samples wait for the database", error=error.description)
                await asyncio.sleep(_RETRY_SECONDS)
                self._came.set()

    async def settle(self) -> None:
        """Bring what can be placed into the timelines. Raises Unavailable; then it waits on."""
        ready = {id: batch for id, batch in self._waiting.items() if self._ready(id, batch)}
        if not ready:
            return
        term = self._term
        places = {(id, _hour(minute)) for id, batch in ready.items() for minute in batch.minutes}
        async with self._unwritten.lock:  # what is read is the newest only while nobody writes
            stored = await self._timelines.hours(places)
            if term != self._term:
                return
            placed = [batch for id, batch in ready.items() if self._place(id, batch, stored)]
        if await self._unwritten.flush() and term == self._term:
            for batch in placed:
                batch.taken()

    def _ready(self, server_id: str, batch: _Batch) -> bool:
        standing, last = self._standing(server_id), max(batch.minutes, default=-1)
        return standing is not None and last < standing.minute and _hour(last) <= standing.hour.number

    def _place(self, server_id: str, batch: _Batch, stored: Mapping[Place, Mapping[int, bytes]]) -> bool:
        """False where it was replaced, or its server left, in the meantime."""
        standing = self._standing(server_id)
        if standing is None or self._waiting.get(server_id) is not batch or not self._ready(server_id, batch):
            return False
        del self._waiting[server_id]
        for number in {_hour(minute) for minute in batch.minutes}:
            those = {minute: of for minute, of in batch.minutes.items() if _hour(minute) == number}
            if number == standing.hour.number:
                if _insert(standing.hour, those):
                    self._unwritten.changed(server_id)
                continue
            documents = {**stored.get((server_id, number), {}), **self._unwritten.hour(server_id, number)}
            try:
                hour = OpenHour(number, documents)
            except BadBlock as error:
                self._once.warn(server_id, "late samples found an unreadable hour", reason=str(error))
                continue
            if _insert(hour, those):
                self._unwritten.closed(server_id, hour.documents(close=True))
        return True


def _dated(message: Message, now: float) -> Iterable[tuple[int, dict[str, object]]]:
    """Samples by our clock. The satellite's is trusted up to half a minute, so that a repeated sample keeps its
    minute; beyond that whole minutes are added or taken."""
    if not math.isfinite(message.now):
        return
    shift = round((now - message.now) / MINUTE) * MINUTE
    for sample in message.samples:
        if math.isfinite(sample.date) and now - MOST_AGE <= sample.date + shift <= now:
            yield int(sample.date + shift), sample.data


def _hour(minute: int) -> int:
    return minute * MINUTE // HOUR


def _insert(hour: OpenHour, minutes: Mapping[int, Values]) -> bool:
    """Whether any found its minute free."""
    added = [hour.insert(minute * MINUTE, minutes[minute]) for minute in sorted(minutes)]
    return any(added)
