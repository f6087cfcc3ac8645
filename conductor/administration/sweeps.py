"""Deleting many records in the background: by query, and by what maintenance leaves (platform.md §5).

Records go one by one, oldest first, each with all that is its own: what a death interrupts has deleted some
records whole and left the others whole, and can be started again.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from conductor.administration.collections import Collections
from conductor.administration.internal_jobs import InternalJob, InternalJobs
from conductor.settings import Settings
from conductor.signals import Actor
from shared import clock

_PAUSE = 0.001
_KEPT: Mapping[str, int] = {
    "jobs": 100_000,
    "alerts": 100_000,
    "snapshots": 100_000,
    "activity": 100_000,
    "servers": 10_000,
}
"""Records that maintenance leaves where the settings say nothing."""
_AGES: Mapping[str, str] = {
    "jobs": "date",
    "alerts": "end",
    "snapshots": "date",
    "activity": "date",
    "servers": "modified",
    "tickets": "modified",
}
"""The field that tells a record's age."""


class Sweeps:
    def __init__(self, collections: Collections, jobs: InternalJobs, settings: Settings) -> None:
        self._collections = collections
        self._jobs = jobs
        self._settings = settings
        self.deleted: Callable[[str, Mapping[str, Any]], None] = _nobody
        """Hears of each record that a query deleted, as (collection, record)."""

    def start(self, title: str, index: str, query: str, username: str, actor: Actor) -> str:
        """Begin to delete what matches `query` now; return the internal job's ID."""

        async def work(job: InternalJob) -> None:
            job.stats["deleted"] = await self.delete(index, query, job)

        return self._jobs.start(
            title, "db", work, username=username, actor=actor, index=index, params={"query": query}
        )

    async def delete(self, index: str, query: str, job: InternalJob | None = None) -> int:
        """Delete what matches; how many there were. Raises SearchError, BadParameter for an unknown index."""
        self._collections.check(index)
        total = await self._collections.count(index, query)
        done = 0
        async for rows in self._collections.pages(index, query):
            for row in rows:
                await self._collections.delete(index, str(row["id"]))
                self.deleted(index, row)
                done += 1
                if job is not None:
                    job.progress(done / max(total, 1))
                await asyncio.sleep(_PAUSE)
        return done

    async def trim(self, index: str) -> int:
        """Delete the oldest records beyond what the settings keep; how many. None while another job works there."""
        if self._jobs.works_on(index):
            return 0
        own = self._settings.db_maint.get(index)
        own = own if isinstance(own, dict) else {}
        most = _number(own.get("max_rows"), _KEPT.get(index, 0))
        days = _number(own.get("max_days"), 0)
        removed = 0
        if days:
            removed += await self.delete(index, f"{_AGES[index]}:<{int(clock.now() - days * 86_400)}")
        if most and (excess := await self._collections.count(index) - most) > 0:
            removed += await self._oldest(index, excess)
        return removed

    async def _oldest(self, index: str, number: int) -> int:
        done = 0
        async for rows in self._collections.pages(index, columns=["id"]):
            for row in rows:
                if done >= number:
                    return done
                await self._collections.delete(index, str(row["id"]))
                done += 1
        return done


def _number(value: Any, default: int) -> int:
    return (
        int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        else default
    )


def _nobody(index: str, record: Mapping[str, Any]) -> None:
    """Nobody wants to hear."""
