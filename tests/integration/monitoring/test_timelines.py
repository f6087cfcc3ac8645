"""Timelines of monitors on real databases: reading, retention, deletion."""

import pytest

from conductor.monitoring import samples as samples_module
from conductor.monitoring.retention import Retention
from conductor.monitoring.rows import SYSTEMS
from conductor.records.store import Records
from tests.integration.monitoring.house import START, Clock, sample, server, taking, timeline


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(samples_module, "clock", fake)
    return fake


async def test_timelines_over_hours(records: Records, clock: Clock) -> None:
    """Better: growth of counters, least and most are right over restarts and gaps."""
    async with taking(records, write_seconds=60) as samples:
        rx = 0
        for minute in range(0, 180, 10):
            clock.time = START + 60.0 * minute
            rx = 50 if minute == 90 else rx + 100  # started again
            samples.minute(server("s1"), sample(minute, rx))
            await samples.latest("s1")
        for written in (False, True):
            if written:
                await samples.flush()
            monthly = await timeline(samples, "s1", "monthly", detail=True)
            assert [row["count"] for row in monthly] == [6, 6, 6]
            assert [row["totals"]["load"] for row in monthly] == [150, 510, 870]
            assert [(row["min"]["load"], row["max"]["load"], row["last"]["load"]) for row in monthly] == [
                *((0, 50, 50), (60, 110, 110), (120, 170, 170))
            ]
            assert [row["increase"]["rx"] for row in monthly] == [500, 550, 600]
            [yearly] = await timeline(samples, "s1", "yearly")
            assert (yearly["count"], yearly["date"]) == (18, START)
            hourly = await timeline(samples, "s1", "hourly", limit=12)
            assert [row["totals"]["load"] if "totals" in row else None for row in hourly] == [
                *([None, 160] + [None] * 9 + [170])
            ]
            assert hourly[0] == {"epoch_div": START // 60 + 159}
            only = await timeline(samples, "s1", "daily", limit=1, monitors=frozenset({"rx"}))
            assert [list(row["totals"]) for row in only] == [["rx"]]


@pytest.mark.parametrize("flushed", [True, False])
async def test_windows_of_a_timeline(records: Records, clock: Clock, flushed: bool) -> None:
    async with taking(records, write_seconds=60) as samples:
        for hour in (0, 30):
            clock.time = START + 3600.0 * hour
            samples.minute(server("s1"), sample(hour))
            await samples.latest("s1")
        if flushed:
            await samples.flush()
        first = SYSTEMS["monthly"].slot(START)

        async def asked(start: int, limit: int, system: str = "monthly") -> list[int]:
            base = SYSTEMS[system].slot(START)
            rows = await timeline(samples, "s1", system, first=base + start, limit=limit)
            return [row["epoch_div"] - base for row in rows]

        assert await asked(0, 0) == list(range(31))
        assert await asked(0, 3) == [0, 1, 2]
        assert await asked(-2, 3) == [0], "a start before the first row shortens the answer"
        assert await asked(-9, 3) == []
        assert await asked(-9, 0) == list(range(31))
        assert await asked(29, 5) == [29, 30]
        assert await asked(31, 5) == []
        assert await asked(10, 2, "hourly") == [10, 11], "fillers alone"
        assert await asked(1799, 9, "hourly") == [1799, 1800]
        assert await asked(1, 5, "yearly") == [1, 2]
        latest = await timeline(samples, "s1", "monthly", limit=2)
        assert [row["epoch_div"] - first for row in latest] == [29, 30]
        assert latest[0] == {"epoch_div": first + 29}
        assert len(await timeline(samples, "s1", "hourly")) == 1801
        assert await timeline(samples, "unknown") == []


async def test_a_year_of_silence_costs_a_timeline_nothing(records: Records, clock: Clock) -> None:
    """Better: a server that returns after a long time brings no row for each minute it missed."""
    async with taking(records, write_seconds=60) as samples:
        for days in (0, 365):
            clock.time = START + 86_400.0 * days
            samples.minute(server("s1"), sample(days))
            await samples.latest("s1")
        await samples.flush()
        stored = await records.read(
            lambda connection: connection.exec_driver_sql("SELECT count(*) FROM timelines").scalar()
        )
        assert stored == 4
        assert len(await timeline(samples, "s1", "yearly")) == 731
        assert len(await timeline(samples, "s1", "hourly")) == 100_000, "an answer has a bound"
        [row] = await timeline(samples, "s1", "hourly", limit=1)
        assert row["totals"]["load"] == 365


async def test_old_timelines_are_trimmed_and_deleted_ones_gone(records: Records, clock: Clock) -> None:
    async with taking(records, write_seconds=60) as samples:
        for hour in (0, 10, 20):
            clock.time = START + 3600.0 * hour
            for server_id in ("s1", "s2"):
                samples.minute(server(server_id), sample(hour))
                await samples.latest(server_id)
        await samples.flush()
        assert await samples.timelines.trim(clock.time, 12 * 3600) == 4
        assert await Retention(samples.timelines, "1000 years").trim() == 0
        for server_id in ("s1", "s2"):
            for system in ("hourly", "monthly"):
                rows = [row for row in await timeline(samples, server_id, system) if "totals" in row]
                assert [row["totals"]["load"] for row in rows] == [10, 20]
        await samples.delete("s1")
        await samples.flush()
        assert await samples.latest("s1") is None
        assert await timeline(samples, "s1") == []
        assert len(await timeline(samples, "s2", "monthly")) == 11
