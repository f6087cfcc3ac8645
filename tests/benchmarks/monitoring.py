"""What monitoring costs, measured in this process: samples from frame to disk, quick samples, reads of timelines.

A conductor takes one sample of a server each minute; here the clock is turned on, so that minutes follow each other
as fast as they are worked off. Everything else is as in a conductor: frames are decoded, the stock monitors
evaluated, records and timelines written to SQLite.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from conductor.cli.fleet.sample import minute_sample
from conductor.definitions.default_monitors import monitors as stock_monitors
from conductor.monitoring import samples as samples_module
from conductor.monitoring.buckets import HOUR, MINUTE, OpenHour, bucket_of
from conductor.monitoring.quick import QuickMonitors
from conductor.monitoring.rows import SYSTEMS
from conductor.monitoring.samples import Samples
from conductor.monitoring.timelines import Ask
from conductor.records.store import Records
from conductor.settings_sections import quick_monitors
from shared.protocol.frames import MsgpackEncoding
from tests.benchmarks.report import Figure
from tests.benchmarks.target import Size

_START = 500_000 * HOUR
_ORIGINAL_SAMPLES = 330.0
_QUICK = {
    "mem": {"used": 8_589_934_592, "available": 4_294_967_296},
    "cpu": {"avgLoad": 0.41, "currentLoad": 12.5},
    "fs": {"rx": 99_120_128, "wx": 4_812_992},
    "net": {"rx": 8_812_345, "tx": 912_345},
}


class _Clock:
    def __init__(self) -> None:
        self.time = float(_START)

    def now(self) -> float:
        return self.time


class _Stock:
    def __init__(self) -> None:
        self._monitors = stock_monitors()

    def all(self, kind: str) -> Sequence[dict[str, Any]]:
        return self._monitors

    def version(self, kind: str) -> int:
        return 1


async def in_process(folder: Path, size: Size) -> list[Figure]:
    records = await Records.open(f"sqlite:///{folder / 'monitoring.db'}")
    wall, samples_module.clock = samples_module.clock, _Clock()  # type: ignore[assignment]
    try:
        return [
            *await _minute_samples(records, size.monitored, size.monitored_minutes),
            *await _quick_samples(records, size.monitored),
            *await _timeline_queries(records, size),
        ]
    finally:
        samples_module.clock = wall
        await records.close()


async def _minute_samples(records: Records, servers: int, minutes: int) -> list[Figure]:
    encoding = MsgpackEncoding()
    frame = encoding.encode("monitor", minute_sample())
    online = [_server(f"s{number:04d}") for number in range(servers)]
    elapsed = cpu = 0.0
    async with _taking(records) as samples:
        for minute in range(minutes + 1):
            if minute == 1:  # the first one read what the database knew of each server
                elapsed, cpu = -time.perf_counter(), -time.process_time()
            for number, server in enumerate(online):
                samples.minute(server, encoding.decode(frame).body())
                if number % 20 == 19:
                    await asyncio.sleep(0)
            await samples.latest(online[-1]["id"])
            await samples.flush()
            samples_module.clock.time += 60  # type: ignore[attr-defined]
        elapsed += time.perf_counter()
        cpu += time.process_time()
    count = servers * minutes
    note = f"{servers} servers, {minutes} minutes, timelines written"
    return [
        Figure("minute samples of 27 KB", count / elapsed, "samples/s", _ORIGINAL_SAMPLES, note=note),
        Figure("CPU of a minute sample, all threads", 1000 * cpu / count, "ms", lower_is_better=True),
    ]


async def _quick_samples(records: Records, servers: int) -> list[Figure]:
    encoding = MsgpackEncoding()
    frame = encoding.encode("quickmon", _QUICK)
    rounds = 20
    async with _taking(records) as samples:
        started = time.perf_counter()
        for _ in range(rounds):
            for number in range(servers):
                samples.quick(f"s{number:04d}", encoding.decode(frame).body())
            samples_module.clock.time += 1  # type: ignore[attr-defined]
        elapsed = time.perf_counter() - started
    return [Figure("quick samples", servers * rounds / elapsed, "samples/s", note=f"{servers} servers")]


async def _timeline_queries(records: Records, size: Size) -> list[Figure]:
    """A day of one server's timeline, over the history of all."""
    hours = size.history_days * 24
    await _fill(records, size.history_servers, hours)
    chance = random.Random(7)
    took = []
    async with _taking(records) as samples:
        for _ in range(size.queries):
            server = f"h{chance.randrange(size.history_servers):04d}"
            hour = _START // HOUR + chance.randrange(max(hours - 24, 1))
            ask = Ask(SYSTEMS["daily"], 720, SYSTEMS["daily"].slot(hour * HOUR))
            started = time.perf_counter()
            rows = await samples.rows(server, ask)
            took.append(1000 * (time.perf_counter() - started))
            assert len(bytes(rows)) > 10_000
    took.sort()
    note = f"720 rows of {size.history_servers} servers x {size.history_days} days"
    return [
        Figure("timeline of 24 hours, p50", took[len(took) // 2], "ms", lower_is_better=True, note=note),
        Figure(
            "timeline of 24 hours, p99", took[int(len(took) * 0.99)], "ms", lower_is_better=True, note=note
        ),
    ]


async def _fill(records: Records, servers: int, hours: int) -> None:
    """Every server with the same hours: what counts is how many there are."""
    chance = random.Random(7)
    ids = [monitor["id"] for monitor in stock_monitors()]
    documents = []
    for hour in range(hours):
        open_hour = OpenHour(_START // HOUR + hour)
        for minute in range(60):
            values = {id: chance.randrange(10**10) / 1000 for id in ids}
            date = (open_hour.number * 60 + minute) * MINUTE
            open_hour.add(date, bucket_of(values, {}), values, ())
        documents.append(open_hour.documents(close=True))
        await asyncio.sleep(0)
    timelines = Samples(records, _Stock(), QuickMonitors([], 60)).timelines
    for number in range(servers):
        rows = [(f"h{number:04d}", key, doc) for found in documents for key, doc in found.items()]
        await records.write(timelines.write(rows), timeout=60.0)


@asynccontextmanager
async def _taking(records: Records) -> AsyncIterator[Samples]:
    samples = Samples(records, _Stock(), QuickMonitors(quick_monitors(), 60), write_seconds=3600)
    running = asyncio.create_task(samples.run())
    try:
        yield samples
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _server(id: str) -> dict[str, Any]:
    return {"id": id, "hostname": f"{id}.lan", "groups": ["main"], "info": {"cpu": {"combo": "AMD EPYC"}}}
