"""Samples on a real database, with a clock that tests set."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from conductor.monitoring.monitors import Number
from conductor.monitoring.quick import QuickMonitors
from conductor.monitoring.rows import SYSTEMS
from conductor.monitoring.samples import SampleObserver, Samples
from conductor.monitoring.timelines import Ask
from conductor.records.store import Records

START = 500_000 * 43_200
"""A moment at which a bucket of every timeline begins."""

DEFINITIONS: list[dict[str, Any]] = [
    {"id": "load", "source": "load[0]", "data_type": "float"},
    {
        "id": "rx", "source": "stats.rx", "data_type": "bytes",
        "delta": True, "divide_by_delta": True, "delta_min_value": 0,
    },
]  # fmt: skip


class Clock:
    """Stands in for the wall clock of `conductor.monitoring.samples`."""

    def __init__(self) -> None:
        self.time = float(START)

    def now(self) -> float:
        return self.time


class Catalogue:
    def all(self, kind: str) -> Sequence[dict[str, Any]]:
        return DEFINITIONS

    def version(self, kind: str) -> int:
        return 1


@asynccontextmanager
async def taking(
    records: Records, observers: Sequence[SampleObserver] = (), *, write_seconds: float = 0.05
) -> AsyncIterator[Samples]:
    """Samples at work; left without a last write, as when the process dies."""
    samples = Samples(records, Catalogue(), QuickMonitors([], 60), observers, write_seconds=write_seconds)
    running = asyncio.create_task(samples.run())
    try:
        yield samples
        assert not running.done(), running
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def server(server_id: str) -> dict[str, Any]:
    return {
        "id": server_id,
        "hostname": f"{server_id}.lan",
        "groups": ["main"],
        "info": {"cpu": {"combo": "X"}},
    }


def sample(load: Number = 1, rx: Number = 0) -> dict[str, Any]:
    return {"version": "1.0", "data": {"load": [load, 0, 0], "stats": {"rx": rx}}}


async def timeline(
    samples: Samples, server_id: str, system: str = "hourly", *, first: int | None = None, limit: int = 0,
    monitors: frozenset[str] | None = None, detail: bool = False,
) -> list[dict[str, Any]]:  # fmt: skip
    ask = Ask(SYSTEMS[system], limit, first, monitors, detail)
    return list(msgspec.json.decode(await samples.rows(server_id, ask)))
