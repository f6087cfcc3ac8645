"""Samples of a cut that come after it, on real databases (contract monitor_data.md, "Where to be better" 8)."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from conductor.errors import Unavailable
from conductor.monitoring import samples as samples_module
from conductor.monitoring.samples import Samples
from conductor.records.store import Records
from shared.protocol.messages import LateSample, LateSamples
from tests.integration.monitoring.house import START, Clock, sample, server, taking, timeline

PATIENCE = 10.0
MINUTE = 60


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(samples_module, "clock", fake)
    return fake


async def live(samples: Samples, load: float, rx: int = 0) -> None:
    samples.minute(server("s1"), sample(load, rx))
    await samples.latest("s1")


def late(clock: Clock, loads: Mapping[int, float], *, skew: float = 0) -> LateSamples:
    """By minutes since the start; the satellite's clock is `skew` seconds fast."""
    taken = [
        LateSample(date=START + MINUTE * minute + 5 + skew, data=sample(load)["data"])
        for minute, load in loads.items()
    ]
    return LateSamples(batch=1, now=clock.time + skew, samples=taken)


async def fill(samples: Samples, message: LateSamples) -> None:
    """Return when it is acknowledged."""
    taken = asyncio.Event()
    samples.late(server("s1"), message, taken.set)
    async with asyncio.timeout(PATIENCE):
        await taken.wait()


async def loads(samples: Samples, system: str = "hourly") -> list[tuple[int, float, int]]:
    rows = [row for row in await timeline(samples, "s1", system) if "date" in row]
    return [((row["date"] - START) // MINUTE, row["totals"]["load"], row["count"]) for row in rows]


async def test_samples_of_an_outage_fill_the_minutes_that_have_none(records: Records, clock: Clock) -> None:
    """Better: buffered with timestamps, and back-filled; no bucket counts one twice."""
    judged: list[float] = []

    def alerts(record: Mapping[str, Any], host_record: dict[str, Any], now: float) -> None:
        judged.append(host_record["data"]["monitors"]["load"])

    async with taking(records, [alerts]) as samples:
        await live(samples, 1)
        clock.time = START + 4 * MINUTE
        await live(samples, 5)
        before = await samples.latest("s1")
        for _ in range(2):  # a lost acknowledgement, or a second connection
            await fill(samples, late(clock, {0: 90, 1: 2, 2: 3, 3: 4}))
        assert await loads(samples) == [(0, 1, 1), (1, 2, 1), (2, 3, 1), (3, 4, 1), (4, 5, 1)]
        assert await samples.latest("s1") == before
        assert judged == [1, 5], "alerts are not judged on the past"
    async with taking(records) as samples:  # killed, and its successor
        assert await loads(samples, "monthly") == [(0, 15, 5)]
        assert await loads(samples, "daily") == [(0, 3, 2), (2, 7, 2), (4, 5, 1)]
        (row,) = await timeline(samples, "s1", "yearly", detail=True)
        assert (row["min"]["load"], row["max"]["load"], row["last"]["load"]) == (1, 5, 5)


async def test_samples_of_an_outage_over_hours_fill_them_all(records: Records, clock: Clock) -> None:
    async with taking(records, write_seconds=60) as samples:
        clock.time = START + 58 * MINUTE
        await live(samples, 1)
        clock.time = START + 122 * MINUTE
        await live(samples, 5)
        clock.time += MINUTE
        await live(samples, 6)
        await fill(samples, late(clock, {57: 7, 59: 2, 60: 3, 119: 4, 120: 8}))
        await fill(samples, late(clock, {59: 9, 121: 1}))
        expected = [(0, 10, 3), (60, 7, 2), (120, 20, 4)]
        assert await loads(samples, "monthly") == expected
    async with taking(records) as samples:
        assert await loads(samples, "monthly") == expected
        assert [minute for minute, *_ in await loads(samples)] == [57, 58, 59, 60, 119, 120, 121, 122, 123]


async def test_a_counters_growth_in_an_outage_is_counted_once(records: Records, clock: Clock) -> None:
    """The first sample after the cut has all of it already."""
    async with taking(records) as samples:
        await live(samples, 1, 1000)
        clock.time = START + 2 * MINUTE
        await live(samples, 1, 1600)
        message = late(clock, {1: 1})
        message.samples[0].data["stats"] = {"rx": 1300}
        await fill(samples, message)
        (row,) = await timeline(samples, "s1", "monthly", detail=True)
        assert row["increase"]["rx"] == 600
        assert row["count"] == 3


async def test_late_samples_wait_for_the_first_live_one(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        await live(samples, 1)
        taken = asyncio.Event()
        clock.time = START + 70 * MINUTE
        samples.late(server("s1"), late(clock, {1: 2, 66: 3}), taken.set)
        await samples._late.settle()
        assert not taken.is_set(), "the hour that begins with the next live sample would be written over"
        await live(samples, 4)
        async with asyncio.timeout(PATIENCE):
            await taken.wait()
        assert await loads(samples) == [(0, 1, 1), (1, 2, 1), (66, 3, 1), (70, 4, 1)]


async def test_a_satellites_wrong_clock_moves_no_late_sample(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        clock.time = START + 5 * MINUTE
        await live(samples, 5)
        await fill(samples, late(clock, {1: 1}, skew=7 * 3600))
        await fill(samples, late(clock, {2: 2}, skew=-9 * 60))
        await fill(samples, late(clock, {3: 3}, skew=20))
        assert [minute for minute, *_ in await loads(samples)] == [1, 2, 3, 5]


async def test_absurd_late_samples_change_nothing(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        clock.time = START + 3000 * MINUTE
        await live(samples, 5)
        nothing: dict[str, Any] = {}
        for now, date in (
            (clock.time, 0),
            (clock.time, clock.time + 3600),
            (float("nan"), 1),
            (0, float("inf")),
        ):
            bad = LateSamples(batch=1, now=now, samples=[LateSample(date=date, data=nothing)])
            await fill(samples, bad)
        await fill(samples, late(clock, {2990: 1}))
        dummy = LateSample(date=clock.time - 240, data={"dummy": True})
        await fill(samples, LateSamples(batch=1, now=clock.time, samples=[dummy]))
        assert [minute for minute, *_ in await loads(samples)] == [2990, 3000]


async def test_late_samples_are_acknowledged_only_when_they_are_stored(
    records: Records, clock: Clock
) -> None:
    async with taking(records, write_seconds=60) as samples:
        await live(samples, 1)
        clock.time += 2 * MINUTE
        await live(samples, 3)
        write = records.write

        async def away(*writes: Any, **options: Any) -> int:
            raise Unavailable("away")

        records.write = away  # type: ignore[method-assign]
        taken = asyncio.Event()
        samples.late(server("s1"), late(clock, {1: 2}), taken.set)
        await samples._late.settle()
        assert not taken.is_set()
        records.write = write  # type: ignore[method-assign]
        await fill(samples, late(clock, {1: 2}))
    async with taking(records) as samples:
        assert await loads(samples) == [(0, 1, 1), (1, 2, 1), (2, 3, 1)]


async def test_of_servers_that_left_no_late_sample_stays_in_memory(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        samples.late(server("s1"), late(clock, {}), lambda: None)
        assert len(samples._late) == 1
        samples.forget("s1")
        assert len(samples._late) == 0
        samples.late(server("s1"), late(clock, {}), lambda: None)
        samples.forget_all()
        assert len(samples._late) == 0
