"""Reads and writes beside a large archive: 200,000 finished jobs, loaded before the conductor starts."""

import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from conductor.cli.client import Json
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records
from tests.benchmarks import reads
from tests.benchmarks.report import Figure
from tests.benchmarks.target import Target

_TOGETHER = 2000
_DAYS = 90
_CONNECTIONS = 16
_SECONDS = 20.0
_TAGS = ("urgent", "nightly", "backup", "report", "slow")


@asynccontextmanager
async def _archive(data: Path) -> AsyncIterator[JobArchive]:
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    records = await Records.open(f"sqlite:///{data / 'opsorbit.db'}")
    try:
        yield JobArchive(records)
    finally:
        await records.close()


async def load(data: Path, count: int) -> list[Figure]:
    """Fill the data directory of a conductor that does not run yet."""
    chance = random.Random(count)
    started = time.perf_counter()
    async with _archive(data) as archive:
        for first in range(0, count, _TOGETHER):
            numbers = range(first, min(first + _TOGETHER, count))
            await archive.add_many([finished_job(number, count, chance) for number in numbers])
    rate = count / (time.perf_counter() - started)
    return [Figure("loading finished jobs", rate, "jobs/s", note=f"{count:,} jobs")]


async def measured(target: Target) -> list[Figure]:
    """The figures of issue 3, and one selective search alone."""
    total = (await target.client.call("search_jobs", query="*", limit=1))["list"]["length"]
    figures = [*await reads.definitions(target), *await reads.found(target, total)]
    day = time.strftime("%Y-%m-%d", time.localtime(time.time() - 30 * 86_400))
    until = time.strftime("%Y-%m-%d", time.localtime(time.time() - 29 * 86_400))
    query = f"tags:urgent date:{day}..{until}"
    asked = {"query": query, "limit": 50, "sort_by": "elapsed", "sort_dir": -1}
    found = (await target.client.call("search_jobs", **asked))["list"]["length"]
    load = await target.load(
        [target.request("search_jobs", {**asked, "limit": 25 + number}) for number in range(50)],
        connections=1,
        count=500,
        seconds=_SECONDS,
        warm_up=5,
    )
    note = f"tag and date range, sorted: {found:,} of {total:,}"
    return [*figures, Figure("search_jobs, selective, p99", load.p99, "ms", note=note, lower_is_better=True)]


def finished_job(number: int, count: int, chance: random.Random) -> Json:
    """One of `count` jobs of the last 90 days, oldest first."""
    completed = time.time() - _DAYS * 86_400 * (1 - number / count)
    failed = chance.random() < 0.05
    elapsed = round(chance.expovariate(1 / 60), 3)
    return {
        "id": f"jbench{number:08d}",
        "event": f"ebench{chance.randrange(200):03d}",
        "category": chance.choice(("general", "ops", "data")),
        "plugin": "shellplug",
        "server": f"s{chance.randrange(50):02d}",
        "groups": ["main"],
        "targets": ["main"],
        "source": "scheduler",
        "code": 1 if failed else 0,
        "description": "exit status 1" if failed else "",
        "tags": ["_error" if failed else "_success", *(tag for tag in _TAGS if chance.random() < 0.1)],
        "started": completed - elapsed,
        "completed": completed,
        "now": int(completed - elapsed),
        "elapsed": elapsed,
        "log_file_size": chance.randrange(10_000),
        "state": "complete",
        "final": True,
        "params": {"script": "#!/bin/sh\ntrue\n"},
        "activity": [{"epoch": completed, "msg": "Job completed"}],
    }
