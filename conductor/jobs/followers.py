"""Those who wait for a job: streams that show its changes, calls that wait for its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conductor.errors import Deposed

Record = dict[str, Any]


class Follower:
    """One waiting party. `record` is the stored record once the job has ended."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.left_alone = False
        """The term has ended: nobody tells any more."""
        self._changed = asyncio.Event()

    @property
    def over(self) -> bool:
        """Nothing more will be told."""
        return self.record is not None or self.left_alone

    def notify(self) -> None:
        self._changed.set()

    async def changed(self, timeout: float) -> None:
        """Return at the next change of the job, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._changed.wait()
        except TimeoutError:
            return
        self._changed.clear()

    async def ended(self) -> Record:
        """Wait for the job's end. Raises Deposed when the term ends before it."""
        while self.record is None:
            if self.left_alone:
                raise Deposed("the term has ended")
            await self._changed.wait()
            self._changed.clear()
        return self.record


class Followers:
    """Who follows which job; told by whoever changes it."""

    def __init__(self) -> None:
        self._of_job: dict[str, set[Follower]] = {}
        self._closed = False

    @contextmanager
    def follow(self, job_id: str) -> Iterator[Follower]:
        follower = Follower()
        follower.left_alone = self._closed
        self._of_job.setdefault(job_id, set()).add(follower)
        try:
            yield follower
        finally:
            others = self._of_job.get(job_id)
            if others is not None:
                others.discard(follower)
                if not others:
                    del self._of_job[job_id]

    def changed(self, job_id: str) -> None:
        for follower in self._of_job.get(job_id, ()):
            follower.notify()

    def close(self) -> None:
        """The term has ended: those who still wait are let go."""
        self._closed = True
        for followers in self._of_job.values():
            for follower in followers:
                follower.left_alone = True
                follower.notify()

    def finished(self, job_id: str, record: Record) -> None:
        for follower in self._of_job.get(job_id, ()):
            follower.record = record
            follower.notify()
