"""Daily counters: an observer of signals and a follower of the activity log (contract platform.md §7).

The day is kept in memory and written every few seconds as it stands, so that a death costs seconds of it. At
local midnight it becomes history, oldest first, and counting begins anew.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from conductor.administration import day as days
from conductor.administration import tally
from conductor.errors import Deposed, Unavailable
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import statistics as table
from conductor.signals import AlertCleared, AlertFired, JobFinished, JobStarted, Signal
from shared import clock

Json = dict[str, Any]

_SAVE = upsert(table)
_SAVE_SECONDS = 5.0
_MINUTE = 60.0
_OPEN = sa.select(table.c.start, table.c.doc).where(table.c.closed == 0).order_by(table.c.start.desc())
_COUNT = sa.select(sa.func.count()).select_from(table).where(table.c.closed == 1)
_HISTORY = sa.select(table.c.start, table.c.doc).where(table.c.closed == 1).order_by(table.c.start)
_CLEAR = sa.delete(table).where(table.c.closed == 1)

log = structlog.get_logger(__name__)


class Statistics:
    """`load` it when a term begins; `run` is the term's."""

    def __init__(
        self,
        records: Records,
        tz: Callable[[], str],
        *,
        requests: Callable[[], int] = lambda: 0,
        active_jobs: Callable[[], int] = lambda: 0,
        groups_of: Callable[[str], list[str]] = lambda server_id: [],
        event_of: Callable[[str], Mapping[str, Any] | None] = lambda event_id: None,
    ) -> None:
        """`groups_of` a server and `event_of` its ID: what a started job belongs to."""
        self._records = records
        self._tz = tz
        self._requests = requests
        self._active_jobs = active_jobs
        self._groups_of = groups_of
        self._event_of = event_of
        self._day = tally.new_day(int(clock.now()))
        self._dirty = False
        self._lock = asyncio.Lock()
        self._last_requests = 0
        self._last_cpu = 0.0
        self._minute = {"jobs": 0}
        self.started = clock.now()
        self.process: Json = {"mem": 0, "cpu": 0.0, "load": 0.0}
        self.last_minute: Json = {}

    # Reading

    def current_day(self) -> Json:
        """Today's counters. Callers modify nothing."""
        return self._day

    def count(self, *path: str) -> float:
        """One counter of today; 0 where nothing was counted."""
        found = tally.selected(self._day, "", "")
        for step in path:
            found = found.get(step) if isinstance(found, dict) else None
        return found if isinstance(found, int | float) else 0

    def shown(self) -> Json:
        """Everything, as it is kept for each day (contract structures/stats.yaml)."""
        return {
            "currentDay": self._day,
            "currentMinute": {"jobs": self._minute["jobs"], "running": self._active_jobs()},
            "lastMinute": self.last_minute,
            "started": self.started,
            **self.process,
            "memoryUsage": {"rss": self.process["mem"]},
            "unbase": {},
            "cache": {},
        }

    async def history(self, offset: int, limit: int) -> tuple[list[tuple[int, Json]], int]:
        """Days that are over, oldest first, and how many there are; a negative offset counts from the end."""

        def query(connection: sa.Connection) -> tuple[list[Any], int]:
            total = int(connection.execute(_COUNT).scalar_one())
            start = max(total + offset, 0) if offset < 0 else offset
            return list(connection.execute(_HISTORY.offset(start).limit(limit))), total

        rows, total = await self._records.read(query)
        return [(row.start, msgspec.json.decode(row.doc)) for row in rows], total

    # Counting

    def bump(self, *path: str, amount: float = 1) -> None:
        """Add to a counter of today, such as ("transactions", "search")."""
        tally.bump(self._day, path, amount)
        self._dirty = True

    def follow(self, row: Mapping[str, Any]) -> None:
        """Count an activity row."""
        self.bump("transactions", str(row.get("action", "")))

    async def observe(self, signal: Signal) -> None:
        """Count jobs and alerts."""
        match signal:
            case JobStarted():
                event = self._event_of(signal.event_id) or {}
                groups = self._groups_of(signal.server_id)
                started = {**event, "event": signal.event_id, "server": signal.server_id, "groups": groups}
                tally.job(self._day, started, ("start",))
                self._minute["jobs"] += 1
            case JobFinished() if "_retried" not in (signal.job.get("tags") or ()):
                record = {"event": signal.event_id, "elapsed": signal.elapsed, **signal.job}
                tally.job(self._day, record, tally.conditions(signal.code))
                tally.job_sums(self._day, record)
            case AlertFired():
                tally.alert(self._day, signal.invocation, "alert_new")
            case AlertCleared():
                tally.alert(self._day, signal.invocation, "alert_cleared")
            case _:
                return
        self._dirty = True

    def take_back(self, record: Mapping[str, Any]) -> None:
        """A job of today was deleted in bulk: it counts no more."""
        if float(record.get("completed") or 0) < self._day["timeStart"]:
            return
        tally.job(self._day, record, tally.conditions(record.get("code")), amount=-1)
        tally.job_sums(self._day, record, amount=-1)
        self._dirty = True

    # Keeping

    async def load(self) -> None:
        """Go on from what the last primary has written. Raises Unavailable."""
        rows = await self._records.read(lambda connection: list(connection.execute(_OPEN)))
        if not rows:
            self._day = tally.new_day(int(clock.now()))
            self._dirty = True
            return
        stored = msgspec.json.decode(rows[0].doc)
        fresh = tally.new_day(rows[0].start)
        self._day = {**fresh, **(stored.get("currentDay") or {}), "timeStart": rows[0].start}
        if self._over():
            await self.reset()

    async def reset(self) -> None:
        """The day becomes history; counting begins anew."""
        async with self._lock:
            await self._write(closed=1)
            start = max(int(clock.now()), self._day["timeStart"] + 1)
            self._day = tally.new_day(start)
            await self._write(closed=0)

    async def replace_history(self, days_before: list[tuple[int, Json]]) -> None:
        """What an import brings stands for all the days before today."""
        rows = [
            {"start": start, "closed": 1, "doc": msgspec.json.encode(doc)}
            for start, doc in days_before
            if start < self._day["timeStart"]
        ]
        await self._records.write(Write(_CLEAR), Write(_SAVE, rows))

    async def run(self) -> None:
        """Write what was counted, and close the days, until cancelled; then once more."""
        minute = clock.monotonic() + _MINUTE
        self._sample()
        try:
            while True:
                await asyncio.sleep(_SAVE_SECONDS)
                if clock.monotonic() >= minute:
                    minute += _MINUTE
                    self._sample()
                    self.last_minute, self._minute = dict(self._minute), {"jobs": 0}
                await self._keep()
        finally:
            self._dirty = True

    async def flush(self) -> None:
        """Write the day as it stands; a failure is logged."""
        await self._keep()

    async def _keep(self) -> None:
        try:
            if self._over():
                await self.reset()
            elif self._dirty:
                async with self._lock:
                    await self._write(closed=0)
        except Unavailable as error:
            log.warning("statistics are waiting", reason=error.description)
        except Deposed:
            log.info("statistics are the next primary's")

    async def _write(self, *, closed: int) -> None:
        self._dirty = False
        row = {
            "start": self._day["timeStart"],
            "closed": closed,
            "doc": msgspec.json.encode(self.shown()),
        }
        try:
            await self._records.write(Write(_SAVE, row))
        except BaseException:
            self._dirty = True
            raise

    def _over(self) -> bool:
        tz = self._tz()
        return days.midnight(clock.now(), tz) > days.midnight(self._day["timeStart"], tz)

    def _sample(self) -> None:
        requests = self._requests()
        self._day["requests"] += max(requests - self._last_requests, 0)
        self._last_requests = requests
        spent = sum(os.times()[:2])
        percent = round((spent - self._last_cpu) / _MINUTE * 100, 2) if self._last_cpu else 0.0
        self._last_cpu = spent
        self.process = {"mem": _resident(), "cpu": percent, "load": round(os.getloadavg()[0], 2)}
        self._dirty = True


def _resident() -> int:
    """Bytes of memory that this process holds now."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
