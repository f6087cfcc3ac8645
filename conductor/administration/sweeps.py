"""Deleting many records in the background: by query, and by what maintenance leaves (platform.md §5).

Records go one by one, oldest first, each with all that is its own: what a death interrupts has deleted some
records whole and left the others whole, and can be started again.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
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
_KEPT_OF_SOURCES: Mapping[str, Mapping[str, int]] = {"snapshots": {"watch": 50_000}}
"""As `_KEPT`, of records of one source: one a minute under a watch must not displace those of incidents."""
_PINNED = ("snapshots",)
"""Of these maintenance leaves what is pinned, and does not count it."""
_BY_AGE = ("servers",)
"""Their IDs tell when they were made, and what counts is when they were last heard of."""
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
        self.keeps: Callable[[str, Mapping[str, Any]], bool] = _deletes
        """Asked for each (collection, record) that maintenance would delete: True spares it."""
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
        """Delete the oldest records beyond what the settings keep; how many. None while another job works there.

        First those of each source that has a number or an age of its own, then those of all.
        """
        if self._jobs.works_on(index):
            return 0
        own = _object(self._settings.db_maint.get(index))
        removed = 0
        for source, kept in _sources(index, own).items():
            removed += await self._within(index, f"source:{source}", kept)
        most = _number(own.get("max_rows"), _KEPT.get(index, 0))
        return removed + await self._within(index, "", {**own, "max_rows": most})

    async def _within(self, index: str, query: str, kept: Mapping[str, Any]) -> int:
        removed = 0
        if days := _number(kept.get("max_days"), 0):
            old = f"{_AGES[index]}:<{int(clock.now() - days * 86_400)}"
            removed += await self._oldest(index, f"{query} {old}".strip())
        if most := _number(kept.get("max_rows"), 0):
            number = await self._collections.count(index, query or "*")
            if index in _PINNED:
                number -= await self._collections.count(index, f"{query} pinned:true".strip())
            if number > most:
                removed += await self._oldest(index, query or "*", number - most)
        return removed

    async def _oldest(self, index: str, query: str, number: int | None = None) -> int:
        """Delete so many of those that match, the oldest; without `number` all. What is pinned stays."""
        done = 0
        async for id in self._in_order(index, query):
            if done == number:
                return done
            await self._collections.delete(index, id)
            done += 1
            await asyncio.sleep(_PAUSE)
        return done

    async def _in_order(self, index: str, query: str) -> AsyncIterator[str]:
        """What may be deleted, oldest first: by ID, which tells when it was made; servers as they were last seen."""
        seen: list[tuple[int, str]] = []
        async for rows in self._collections.pages(index, query, columns=["id"]):
            for row in rows:
                if row.get("pinned") is True or self.keeps(index, row):
                    continue
                if index in _BY_AGE:
                    seen.append((_number(row.get(_AGES[index]), 0), str(row["id"])))
                else:
                    yield str(row["id"])
        for _, id in sorted(seen):
            yield id


def _sources(index: str, own: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """What is kept of single sources: the settings' over the stock ones."""
    stock = {source: {"max_rows": most} for source, most in _KEPT_OF_SOURCES.get(index, {}).items()}
    given = {str(source): _object(kept) for source, kept in _object(own.get("sources")).items()}
    return {source: {**stock.get(source, {}), **given.get(source, {})} for source in [*stock, *given]}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any, default: int) -> int:
    return (
        int(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        else default
    )


def _deletes(index: str, record: Mapping[str, Any]) -> bool:
    """Nothing is spared."""
    return False


def _nobody(index: str, record: Mapping[str, Any]) -> None:
    """Nobody wants to hear."""
