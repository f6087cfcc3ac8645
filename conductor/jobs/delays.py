"""Jobs that start later: after a start delay, or between two attempts (contract jobs.md §2)."""

import asyncio
import heapq
from collections.abc import Callable
from contextlib import suppress

from shared import clock

STATES = frozenset({"start_delay", "retry_delay"})
_LONGEST_SLEEP = 1.0
"""The wall clock may be set while we sleep."""


class Delays:
    """By when which job is due, so that nobody has to look at all of them."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._heap: list[tuple[float, str]] = []
        self._sooner = asyncio.Event()

    def __len__(self) -> int:
        return len(self._until)

    def put(self, job_id: str, until: float) -> None:
        """The job is due at `until`, a Unix time, whatever was said before."""
        if self._until.get(job_id) == until:
            return
        self._until[job_id] = until
        heapq.heappush(self._heap, (until, job_id))
        if self._heap[0] == (until, job_id):
            self._sooner.set()

    def forget(self, job_id: str) -> None:
        self._until.pop(job_id, None)
        if not self._until:
            self._heap.clear()

    def due(self, now: float) -> list[str]:
        """The jobs whose time has come; they are told once."""
        found: list[str] = []
        while self._heap and (self._heap[0][0] <= now or self._outdated()):
            until, job_id = heapq.heappop(self._heap)
            if self._until.get(job_id) == until:
                del self._until[job_id]
                found.append(job_id)
        return found

    async def run(self, tell: Callable[[str], None]) -> None:
        """Tell of each job when it is due, until cancelled."""
        while True:
            self._sooner.clear()
            for job_id in self.due(clock.now()):
                tell(job_id)
            wait = self._heap[0][0] - clock.now() if self._heap else None
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait is None else min(max(wait, 0.0), _LONGEST_SLEEP)):
                    await self._sooner.wait()

    def _outdated(self) -> bool:
        until, job_id = self._heap[0]
        return self._until.get(job_id) != until
