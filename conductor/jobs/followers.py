"""Those who wait for a job: streams that show its changes, calls that wait for its end."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from conductor.errors import NotPrimary

Record = dict[str, Any]


class Follower:
    """One waiting party. `record` is the stored record once the job has ended."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.abandoned = False
        """The term has ended: whoever is primary now will see the job's end, we shall not."""
        self._changed = asyncio.Event()

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
        """Wait for the job's end. Raises NotPrimary when our term ends before."""
        while self.record is None:
            if self.abandoned:
                raise NotPrimary
            await self._changed.wait()
            self._changed.clear()
        return self.record


class Followers:
    """Who follows which job; told by whoever changes it."""

    def __init__(self) -> None:
        self._of_job: dict[str, set[Follower]] = {}
        self._abandoned = False

    @contextmanager
    def follow(self, job_id: str) -> Iterator[Follower]:
        follower = Follower()
        follower.abandoned = self._abandoned
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

    def finished(self, job_id: str, record: Record) -> None:
        for follower in self._of_job.get(job_id, ()):
            follower.record = record
            follower.notify()

    def abandon(self) -> None:
        """The term has ended: nobody waits here any longer."""
        self._abandoned = True
        for followers in self._of_job.values():
            for follower in followers:
                follower.abandoned = True
                follower.notify()
