"""Minute samples that the conductor may not have, kept through a cut of the network and sent after it.

They are kept whole, since what monitors read of them is the conductor's affair, but packed, in memory, and within
bounds: of a cut that is longer the newest stay. A satellite that is stopped has none of them any more.
"""

import asyncio
import random
import time
import zlib
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import structlog

from shared.clock import Seconds, now
from shared.protocol.messages import LATE_BATCH, LateSample, LateSamples
from shared.protocol.packing import packed

MOST_BYTES = 4 * 1024 * 1024
"""Packed. A small host's sample has 4 KB, a busy one's 40."""
MOST_AGE: Seconds = 86_400.0
_UNSURE: Seconds = 150.0
"""A connection that is cut is missed after a minute; what was sent into it is lost."""
_BATCH_BYTES = 2 * 1024 * 1024
_ANSWER: Seconds = 60.0
_SHARE: Seconds = 0.05
"""Between two batches, for each server of the fleet: a fleet that comes back sends some 200 samples a second."""
_LEAST_PAUSE: Seconds = 0.5

log = structlog.get_logger(__name__)


class _Kept(NamedTuple):
    at: Seconds
    """By a clock that nobody sets."""
    packed: bytes


class Backlog:
    """`run` must be running. `wanted` while the conductor takes late samples."""

    def __init__(self, send: Callable[[str, Any], None], fleet: Callable[[], int]) -> None:
        """`send` drops what it cannot send; `fleet`: how many servers the conductor has."""
        self.wanted = False
        self._send = send
        self._fleet = fleet
        self._recent: deque[_Kept] = deque()
        self._missed: deque[_Kept] = deque()
        self._bytes = 0
        self._go = asyncio.Event()
        self._batch = 0
        self._answers: asyncio.Queue[int] = asyncio.Queue(4)

    def __len__(self) -> int:
        """Samples that wait to be sent."""
        return len(self._missed)

    def sent(self, data: dict[str, Any]) -> None:
        """A sample that may arrive."""
        if self.wanted and "dummy" not in data:
            self._recent.append(_packed(data))
            while self._recent[0].at < _elapsed() - _UNSURE:
                self._recent.popleft()

    def missed(self, data: dict[str, Any]) -> None:
        """A sample that cannot be sent."""
        if self.wanted:
            self.cut()
            if "dummy" not in data:
                self._keep(_packed(data))

    def cut(self) -> None:
        """The connection has ended: what was sent last may not have arrived."""
        for kept in self._recent:
            self._keep(kept)
        self._recent.clear()
        self._go.clear()

    def joined(self, *, wanted: bool) -> None:
        """A conductor has let us in; one that does not want late samples gets none, and none are kept."""
        self.cut()
        self.wanted = wanted
        if not wanted:
            self._missed.clear()
            self._bytes = 0

    def resume(self) -> None:
        """The first sample since the cut is on its way; now the older ones may go."""
        if self._missed:
            self._go.set()

    def acknowledged(self, batch: int) -> None:
        if not self._answers.full():
            self._answers.put_nowait(batch)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._go.wait()
            pause = max(self._fleet() * _SHARE, _LEAST_PAUSE)
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
            while self._go.is_set() and self._missed:
                await self._send_batch()
                await asyncio.sleep(pause)
            if not self._missed:
                self._go.clear()

    async def _send_batch(self) -> None:
        """Send the oldest ones; what is acknowledged is done with."""
        self._drop_old()
        batch: list[_Kept] = []
        size = 0
        samples: list[LateSample] = []
        wall, elapsed = now(), _elapsed()
        for kept in self._missed:
            content = zlib.decompress(kept.packed)
            size += len(content)
            if len(batch) == LATE_BATCH or (batch and size > _BATCH_BYTES):
                break
            batch.append(kept)
            date = round(wall - (elapsed - kept.at), 3)
            samples.append(LateSample(date=max(date, 0.0), data=msgspec.msgpack.decode(content)))
        if not batch:
            return
        self._batch += 1
        self._send("late_samples", LateSamples(batch=self._batch, now=wall, samples=samples))
        try:
            async with asyncio.timeout(_ANSWER):
                while await self._answers.get() != self._batch:
                    pass
        except TimeoutError:
            return
        for kept in batch:
            if self._missed and self._missed[0] is kept:
                self._missed.popleft()
                self._bytes -= len(kept.packed)
        if not self._missed:
            log.info("the samples of the cut have arrived")

    def _keep(self, kept: _Kept) -> None:
        self._missed.append(kept)
        self._bytes += len(kept.packed)
        self._drop_old()

    def _drop_old(self) -> None:
        oldest = _elapsed() - MOST_AGE
        while self._missed and (self._bytes > MOST_BYTES or self._missed[0].at < oldest):
            self._bytes -= len(self._missed.popleft().packed)


def _packed(data: dict[str, Any]) -> _Kept:
    return _Kept(_elapsed(), zlib.compress(packed(data), 1))


def _elapsed() -> Seconds:
    """Seconds that go on while the host sleeps, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
