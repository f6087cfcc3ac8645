"""`python -m tests.benchmarks`: measure, then print the table."""

import argparse
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import uvloop

from conductor.cli.client import ApiError, Client
from conductor.cli.deployment import deployed
from conductor.cli.fleet.satellite import FleetError
from conductor.cli.fleet.websocket import UpgradeError
from conductor.cli.processes import ProcessError
from tests.benchmarks import (
    alerts,
    archive,
    conductor_alone,
    crowd,
    end_to_end,
    event_log,
    footprint,
    log_cost,
    monitoring,
    reads,
    schedule,
    workflows,
)
from tests.benchmarks.loadgen import LoadError
from tests.benchmarks.report import Figure, table
from tests.benchmarks.target import QUICK, Size, Target

Group = Callable[[], Awaitable[list[Figure]]]

GROUPS = (
    "footprint",
    "monitoring",
    "schedule",
    "end-to-end",
    "crowd",
    "simulated",
    "workflows",
    "definitions",
    "alerts",
    "samples",
    "jobs",
    "archive",
    "event-log",
)
"""In the order in which they run: what fills the database comes last."""

_FAILURES = (ApiError, FleetError, LoadError, ProcessError, UpgradeError, OSError, TimeoutError, LookupError)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    size = QUICK if options.quick else Size()
    if options.rows is not None:
        size = replace(size, rows=options.rows)
    figures = uvloop.run(_measure(options.url, options.api_key, size, options.only or GROUPS))
    print(f"\n{table(figures)}")
    return int(any(figure.value is None for figure in figures))


async def _measure(url: str, api_key: str, size: Size, wanted: Sequence[str]) -> list[Figure]:
    figures: list[Figure] = []
    async with AsyncExitStack() as stack:
        groups: dict[str, Group] = {}
        if not url:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="opsorbit-bench-")))
            if "footprint" in wanted:
                figures += await _group("start-up", lambda: footprint.start_up(folder))
            if "schedule" in wanted:
                due, idle = size.scheduled_events
                figures += await _group("schedule", lambda: schedule.schedule(due, idle))
            if "monitoring" in wanted:
                figures += await _group("monitoring", lambda: monitoring.in_process(folder, size))
            if "archive" in wanted:
                figures += await _group("archive", lambda: _archive(folder / "archive", size.archived))
            if "event-log" in wanted:
                figures += await _group("event-log", lambda: _event_log(folder / "event-log", size))
            if not set(wanted) - {"monitoring", "schedule", "archive", "event-log"}:
                return figures
            deployment = await stack.enter_async_context(deployed(folder, step=_say))
            url, api_key = deployment.url, deployment.api_key
            groups["footprint"] = lambda: footprint.idle(deployment, size.idle_seconds)
            groups["crowd"] = lambda: crowd.crowd(deployment, size.crowd, size.crowd_seconds)
        target = Target(await stack.enter_async_context(Client(url, api_key)), api_key, size)
        groups |= {
            "end-to-end": lambda: end_to_end.end_to_end(target),
            "simulated": lambda: conductor_alone.simulated_jobs(target),
            "workflows": lambda: workflows.split(target),
            "definitions": lambda: reads.definitions(target),
            "alerts": alerts.evaluation,
            "samples": lambda: conductor_alone.samples(target),
            "jobs": lambda: reads.jobs(target),
        }
        for name, group in groups.items():
            if name in wanted:
                figures += await _group(name, group)
    return figures


async def _archive(folder: Path, count: int) -> list[Figure]:
    """A conductor of its own, over many finished jobs."""
    loading = await archive.load(folder / "conductor", count)
    async with deployed(folder) as deployment, Client(deployment.url, deployment.api_key) as client:
        return [*loading, *await archive.measured(Target(client, deployment.api_key, Size()))]


async def _event_log(folder: Path, size: Size) -> list[Figure]:
    folder.mkdir()
    return [*await log_cost.log_cost(folder, size), *await event_log.alone(folder, size.events)]


async def _group(name: str, group: Group) -> list[Figure]:
    """One group's figures; a failure becomes a row, so that the others are still measured."""
    _say(f"Measuring: {name}")
    try:
        return await group()
    except _FAILURES as error:
        return [Figure(name, None, "", note=f"{type(error).__name__}: {error}".splitlines()[0])]
    except ExceptionGroup as errors:
        return [Figure(name, None, "", note=f"{errors.exceptions[0]!r}")]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measure a conductor. Without --url a conductor and a satellite are started for it. "
        "A server given by URL gets thousands of jobs: use one whose data may go.",
    )
    parser.add_argument("--url", default="", help="a running compatible server")
    parser.add_argument("--api-key", default="", help="its API key, of an administrator")
    parser.add_argument("--quick", action="store_true", help="about a tenth of everything")
    parser.add_argument("--rows", type=int, help="finished jobs to search through (20000)")
    parser.add_argument("--only", action="append", choices=GROUPS, help="measure this group; may be repeated")
    options = parser.parse_args(arguments)
    if bool(options.url) != bool(options.api_key):
        parser.error("--url and --api-key go together")
    return options


if __name__ == "__main__":
    sys.exit(main())
