"""The causal event log alone: events appended in a second, and a story found among a million.

    python -m tests.benchmarks.event_log [--events 1000000] [--url DATABASE]

What the log costs a job is measured by `log_cost`.
"""

import argparse
import asyncio
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from conductor.audit.causal import rows
from conductor.audit.event_log import EventLog, Filter
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records
from conductor.signals import JobAccepted, JobFinished, JobStarted
from tests.benchmarks.report import Figure, table

PER_STORY = 10
TOGETHER = 500
QUERIES = 1_000
EVERYTHING = Restriction()


def story(number: int) -> list[Any]:
    """The events of a few jobs of one story."""
    correlation, found = str(uuid.UUID(int=number)), []
    for job in range(PER_STORY // 3 + 1):
        about: dict[str, Any] = {
            "job_id": f"j{number}x{job}",
            "event_id": "e1",
            "correlation_id": correlation,
        }
        for signal in (
            JobAccepted(**about, category="general"),
            JobStarted(**about, server_id="s1", attempt=1, category="general", groups=("main",)),
            JobFinished(**about, code=0, elapsed=1.0, attempt=1, category="general", groups=("main",)),
        ):
            found += rows(signal, 1_700_000_000.0 + number)
    return found[:PER_STORY]


async def fill(records: Records, count: int) -> float:
    """Events appended in a second, made from their signals on."""
    began = time.perf_counter()
    waiting: list[Any] = []
    for number in range(count // PER_STORY):
        waiting += story(number)
        if len(waiting) >= TOGETHER:
            await records.write(events=waiting, timeout=60.0)
            waiting = []
    await records.write(events=waiting, timeout=60.0)
    return count / (time.perf_counter() - began)


async def ask(log: EventLog, count: int) -> list[float]:
    """Seconds of each query for a story, sorted."""
    times = []
    stories = count // PER_STORY
    for number in range(QUERIES):
        wanted = str(uuid.UUID(int=number * 7919 % stories))
        began = time.perf_counter()
        page = await log.page(Filter(correlation=wanted), EVERYTHING, limit=100, offset=0, newest_first=False)
        times.append(time.perf_counter() - began)
        assert page.total == PER_STORY, page.total
    return sorted(times)


async def alone(folder: Path, count: int, url: str = "") -> list[Figure]:
    """Without a conductor around it; `url` is an empty database instead of a new SQLite."""
    records = await Records.open(url or f"sqlite:///{folder / 'events.db'}")
    try:
        rate = await fill(records, count)
        times = await ask(EventLog(records), count)
    finally:
        await records.close()
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    return [
        Figure(f"events appended by themselves, {count:,}", rate, "events/s"),
        Figure(f"a story of {PER_STORY} among {count:,} events, p50", p50, "ms", lower_is_better=True),
        Figure(f"a story of {PER_STORY} among {count:,} events, p99", p99, "ms", lower_is_better=True),
    ]


async def _main(count: int, url: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(table(await alone(Path(folder), count, url)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", default="", help="an empty database; a new SQLite without it")
    arguments = parser.parse_args()
    asyncio.run(_main(arguments.events, arguments.url))
