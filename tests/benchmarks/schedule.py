"""The schedule alone: a burst of events due in one second, and what a look costs with many that are idle.

In this process, on a Redis and a database of their own; the clock is turned by hand and satellites are scripted.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from conductor.records.store import Records
from tests.benchmarks.report import Figure
from tests.integration.jobs.house import House, furnished
from tests.integration.schedule.clockwork import EVERY_MINUTE, NOON, Clockwork, clockwork
from tests.processes import redis_server

_LOOKS = 50
_LAUNCH_SECONDS = 30.0
_NEVER = {"type": "schedule", "enabled": True, "years": [2090]}


async def schedule(due: int, idle: int) -> list[Figure]:
    """`due` events fire in one minute; `idle` others have a schedule and never do."""
    return [*await _burst(due), *await _idle(idle)]


async def _burst(count: int) -> list[Figure]:
    async with _house() as house:
        await _events(house, count, EVERY_MINUTE)
        async with clockwork(house) as work:
            started = time.perf_counter()
            seconds = await _look(work, NOON + 60)
            promised = len(work.jobs())
            satellites = house.satellites
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAUNCH_SECONDS):
                    while len(satellites.launched) < count:
                        await asyncio.sleep(0.001)
            launched = time.perf_counter() - started
    done = {one.id for one in satellites.launched}
    if (promised, len(done), len(satellites.launched)) != (count, count, count):
        note = f"{promised} promised, {len(done)} launched of {count}"
        return [Figure("events due in one second", None, "", note=note)]
    # The original launches one each 50 ms.
    original = count * 0.05
    return [
        Figure(f"{count:,} events due in one second, all promised", seconds, "s", original, True),
        Figure(f"{count:,} events due in one second, all launched", launched, "s", original, True),
    ]


async def _idle(count: int) -> list[Figure]:
    async with _house() as house:
        await _events(house, count, _NEVER)
        started = time.perf_counter()
        async with clockwork(house, wait=120.0) as work:
            indexed = time.perf_counter() - started
            scheduler = work.scheduler
            costs = []
            for number in range(1, _LOOKS + 1):
                work.clock.time = NOON + number * 60
                began = time.perf_counter()
                await scheduler.look()
                costs.append(time.perf_counter() - began)
    return [
        Figure(f"{count:,} scheduled events, taken over", indexed, "s", lower_is_better=True),
        Figure(
            f"tick with {count:,} idle events", statistics.median(costs) * 1000, "ms", lower_is_better=True
        ),
    ]


async def _look(work: Clockwork, at: float) -> float:
    """Seconds from a minute's beginning until all that is due in it is promised."""
    scheduler = work.scheduler
    looks = scheduler.looks
    started = time.perf_counter()
    work.clock.time = at
    while scheduler.evaluated < at or scheduler.looks == looks:
        scheduler.wake()
        await work.rest()
    return time.perf_counter() - started


async def _events(house: House, count: int, trigger: dict[str, Any]) -> None:
    event = await house.event(triggers=[{"type": "manual", "enabled": True}])
    docs = [{**event, "id": f"many{number:06}", "triggers": [trigger]} for number in range(count)]
    for start in range(0, count, 5000):
        await house.definitions.restore({"events": docs[start : start + 5000]})


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    with tempfile.TemporaryDirectory(prefix="opsorbit-bench-") as name:
        folder = Path(name)
        async with redis_server(folder / "redis") as redis:
            records = await Records.open(f"sqlite:///{folder / 'records.db'}", readers=2)
            try:
                async with furnished(redis.url, records, folder) as house:
                    house.tick = 3600.0
                    yield house
            finally:
                await records.close()
