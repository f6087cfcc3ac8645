"""Which launches of the schedule are recorded, and up to which minute: the part of the book that is the clock's.

A mark stands for one launch (event, trigger, moment) and names the job that it made; it is written in the same
step as the job, so that a launch whose answer was lost, or that a new primary works out again, is no second
job. Cursors say up to which minute no marks are needed any more.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from redis.asyncio import Redis

from conductor.live.connection import text
from conductor.live.keys import Keys
from conductor.live.writer import BookWriter, Operation

_TOGETHER = 500
"""Marks removed by one operation."""

EVERYTHING = ""
"""The cursor of the schedule as a whole."""


class Firing(NamedTuple):
    """What is recorded with a launch: its mark, and where it moves a cursor, if it does."""

    mark: str = ""
    field: str = ""
    """The event whose cursor moves; empty: none."""
    cursor: str = ""
    before: str = ""
    """The cursor's value before, for a launch that is withdrawn; empty: it had none."""


NO_FIRING = Firing()


class Firings:
    """Marks and cursors in memory and in Redis. Part of the job book, which loads it."""

    def __init__(self, redis: Redis, keys: Keys, writer: BookWriter) -> None:
        self._redis = redis
        self._keys = keys
        self._writer = writer
        self._marks: dict[str, str] = {}
        self._cursors: dict[str, str] = {}

    async def load(self) -> None:
        marks = await self._redis.hgetall(self._keys.fired)
        cursors = await self._redis.hgetall(self._keys.cursors)
        self._marks = {text(mark): text(job_id) for mark, job_id in marks.items()}
        self._cursors = {text(field): text(value) for field, value in cursors.items()}

    @property
    def marks(self) -> Mapping[str, str]:
        """Job IDs by mark."""
        return self._marks

    def cursor(self, field: str) -> str:
        """Empty where there is none."""
        return self._cursors.get(field, "")

    def note(self, firing: Firing, job_id: str) -> None:
        """The book has accepted a job with this firing."""
        if firing.mark:
            self._marks[firing.mark] = job_id
        if firing.field:
            self._cursors[firing.field] = firing.cursor

    async def advance(self, cursors: Mapping[str, str], marks: Iterable[str] = ()) -> None:
        """Set cursors, then forget marks that they make needless. Raises Unavailable, Deposed.

        An empty value removes a cursor.
        """
        gone = [mark for mark in marks if mark in self._marks]
        writes: list[Operation] = [("cursor", field, value) for field, value in cursors.items()]
        writes += [("unmark", *gone[start : start + _TOGETHER]) for start in range(0, len(gone), _TOGETHER)]
        await asyncio.gather(*(self._writer.write(write) for write in writes))
        for field, value in cursors.items():
            if value:
                self._cursors[field] = value
            else:
                self._cursors.pop(field, None)
        for mark in gone:
            self._marks.pop(mark, None)

    def everything(self) -> list[Operation]:
        """For a Redis that was restarted."""
        return [
            *(("cursor", field, value) for field, value in self._cursors.items()),
            *(("mark", mark, job_id) for mark, job_id in self._marks.items()),
        ]
