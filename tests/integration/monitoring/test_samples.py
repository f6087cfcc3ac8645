"""Monitor samples on real databases: what is kept of them, and what harms nobody."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from conductor.monitoring import samples as samples_module
from conductor.monitoring.intake import MOST_BYTES
from conductor.monitoring.samples import Samples
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records
from tests.integration.monitoring.house import START, Clock, sample, server, taking, timeline
from tests.processes import eventually


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(samples_module, "clock", fake)
    return fake


async def send(
    samples: Samples, server_id: str, message: dict[str, Any], record: dict[str, Any] | None = None
) -> None:
    """Return when it has been taken."""
    samples.minute(record or server(server_id), message)
    await samples.latest(server_id)


async def test_monitors_are_added_to_a_sample(records: Records, clock: Clock) -> None:
    record = server("s1")
    async with taking(records) as samples:
        await send(samples, "s1", sample(0.5, 1000), record)
        clock.time += 60
        await send(samples, "s1", sample(0.75, 7000), record)
        latest = await samples.latest("s1")
        assert latest is not None
        assert latest["data"]["monitors"] == {"load": 0.75, "rx": 7000}
        assert latest["data"]["deltas"] == {"rx": 100}
        assert (latest["date"], latest["hostname"], latest["groups"]) == (START + 60, "s1.lan", ["main"])
        assert record["info"]["monitors"] == {"load": 0.75, "rx": 7000}
        assert record["info"]["deltas"] == {"rx": 100}
        rows = await timeline(samples, "s1")
        assert [row["totals"] for row in rows] == [{"load": 0.5, "rx": 1000}, {"load": 0.75, "rx": 7000}]


async def test_a_primary_killed_in_mid_minute_counts_no_bucket_of_a_timeline_twice(
    records: Records, clock: Clock
) -> None:
    """Better: timelines are written whole, so that the next term goes on where the last one stopped."""
    stored = Documents(records, tables.samples)
    async with taking(records) as first:
        await send(first, "s1", sample(1, 100))
        await eventually(lambda: stored.get("s1"), "the first sample is written")
        clock.time += 60
    async with taking(records, write_seconds=60) as dying:  # killed before it has written the second minute
        await send(dying, "s1", sample(2, 200))
    async with taking(records) as second:
        await send(second, "s1", sample(2, 200))  # the satellite's, again, in the same minute
        await second.flush()
    async with taking(records) as third:
        for _ in range(2):
            await send(third, "s1", sample(9, 900))  # that minute is there already
        clock.time += 60
        await send(third, "s1", sample(3, 300))
        for system, counts in (("hourly", [1, 1, 1]), ("daily", [2, 1]), ("monthly", [3]), ("yearly", [3])):
            rows = await timeline(third, "s1", system)
            assert [row["count"] for row in rows] == counts
            assert sum(row["totals"]["load"] for row in rows) == 6
        latest = await third.latest("s1")
        assert latest is not None
        assert latest["data"]["deltas"] == {"rx": 1}, "against the last minute, of another term"


async def test_a_deposed_primary_writes_no_monitor(records: Records, database_url: str, clock: Clock) -> None:
    await records.begin_term(1)
    async with taking(records, write_seconds=60) as old:
        await send(old, "s1", sample(1))
        newer = await Records.open(database_url, readers=1)
        await newer.begin_term(2)
        async with taking(newer) as young:
            await send(young, "s1", sample(2))
            await young.flush()
            await old.flush()
        stored = await Documents(newer, tables.samples).get("s1")
        assert stored is not None
        assert stored["data"]["monitors"]["load"] == 2
        await newer.close()


async def test_the_order_is_monitors_deltas_observers_store(records: Records, clock: Clock) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def alerts(record: Mapping[str, Any], host_record: dict[str, Any], now: float) -> None:
        seen.append((record["id"], {key: dict(host_record["data"][key]) for key in ("monitors", "deltas")}))
        assert now == clock.time
        host_record["new_alerts"] = {"hot": True}

    def broken(record: Mapping[str, Any], host_record: dict[str, Any], now: float) -> None:
        raise LookupError

    async with taking(records, [broken, alerts]) as samples:
        await send(samples, "s1", sample(4, 5))
        assert seen == [("s1", {"monitors": {"load": 4, "rx": 5}, "deltas": {"rx": 0}})]
        latest = await samples.latest("s1")
        assert latest is not None
        assert latest["new_alerts"] == {"hot": True}
        samples.mark("s1", ["late"])
        for system in ("hourly", "daily", "monthly", "yearly"):
            assert [row["alerts"] for row in await timeline(samples, "s1", system)] == [
                {"hot": True, "late": True}
            ]


async def test_whatever_fails_on_one_sample_stops_no_other_servers_monitors(
    records: Records, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Better: no exception stops the minute."""
    add = samples_module.OpenHour.add

    def failing(hour: Any, date: int, bucket: Any, values: Any, alerts: Any) -> None:
        if values["load"] == 13:
            raise ZeroDivisionError
        add(hour, date, bucket, values, alerts)

    monkeypatch.setattr(samples_module.OpenHour, "add", failing)
    async with taking(records) as samples:
        for _ in range(2):
            samples.minute(server("bad"), sample(13))
            await send(samples, "good", sample(1))
            clock.time += 60
        assert len(await timeline(samples, "good")) == 2


async def test_a_dummy_sample_is_kept_without_monitors(records: Records, clock: Clock) -> None:
    seen: list[Any] = []
    async with taking(records, [lambda *arguments: seen.append(arguments)]) as samples:
        await send(samples, "s1", {"data": {"dummy": True, "load": [1, 1, 1]}})
        latest = await samples.latest("s1")
        assert latest is not None
        assert (latest["data"]["dummy"], latest["data"]["monitors"]) == (True, {})
        assert await timeline(samples, "s1") == []
        assert seen == []


BAD: list[Any] = [
    {}, {"data": None}, {"data": {"x": {("a", "tuple"): 1}}}, {"data": {"x": "y" * (MOST_BYTES + 1)}},
    {"data": {"processes": 5, "conns": "x", "load": {}, "stats": []}, "version": {}}, {"data": {"load": [1e308]}},
    {"data": {"load": [float("nan"), float("inf")], "stats": {"rx": -(10**40)}}, "date": 10**30},
]  # fmt: skip


async def test_no_bad_sample_harms_another_servers_monitors(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        for round_ in range(2):
            for number, message in enumerate(BAD):
                samples.minute(server(f"bad{number}"), message)
            await send(samples, "good", sample(round_))
            clock.time += 60
        rows = await timeline(samples, "good")
        assert [row["totals"]["load"] for row in rows] == [0, 1]
        await samples.flush()
        assert await Documents(records, tables.samples).get("good")
        assert await samples.latest("bad2") is None
        assert await samples.latest("bad3") is None


async def test_a_fault_of_a_servers_monitors_is_told_once(
    records: Records, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """Better: a formula that fails each minute does not fill the log."""
    async with taking(records) as samples:
        for _ in range(5):
            await send(samples, "s1", {"data": {"x": "y" * (MOST_BYTES + 1)}})
            clock.time += 60
    told = capsys.readouterr().out
    assert told.count("a sample was dropped") == 1
    assert told.count("a monitor could not be evaluated") == 1


async def test_a_clock_set_back_loses_no_monitor_sample(records: Records, clock: Clock) -> None:
    async with taking(records) as samples:
        clock.time += 2 * 3600
        await send(samples, "s1", sample(1))
        clock.time -= 2 * 3600
        await send(samples, "s1", sample(2))
        clock.time += 60
        await send(samples, "s1", sample(3))
        rows = [row for row in await timeline(samples, "s1") if "date" in row]
        assert [(row["date"] - START, row["totals"]["load"]) for row in rows] == [(0, 2), (60, 3), (7200, 1)]


async def test_of_servers_that_left_no_monitor_stays_in_memory(records: Records, clock: Clock) -> None:
    """Better: a thousand reconnections a minute leave nothing behind."""
    stored = Documents(records, tables.samples)
    async with taking(records) as samples:
        for number in range(200):
            samples.minute(server(f"s{number}"), sample(number))
            samples.quick(f"s{number}", {"n": 1})
            samples.forget(f"s{number}")
        await eventually(lambda: stored.get("s199"), "the last one is stored")

        async def forgotten() -> bool:
            return not any(
                (
                    samples._servers,
                    samples._first,
                    samples._unwritten,
                    samples._offline,
                )
            )

        await eventually(forgotten, "nothing is kept")
        latest = await samples.latest("s7")
        assert latest is not None
        assert latest["data"]["monitors"]["load"] == 7
        assert len(await timeline(samples, "s7")) == 1


async def test_a_minute_of_a_fleet_is_a_handful_of_transactions(records: Records, clock: Clock) -> None:
    """Better: samples are written together."""
    async with taking(records, write_seconds=60) as samples:
        for number in range(400):
            samples.minute(server(f"s{number:03d}"), sample(number))
        await samples.latest("s399")
        transactions = 0
        write = records.write

        async def counted(*writes: Any, **options: Any) -> int:
            nonlocal transactions
            transactions += 1
            return await write(*writes, **options)

        records.write = counted  # type: ignore[method-assign]
        await samples.flush()
        assert transactions == 2
        stored = await Documents(records, tables.samples).all()
        assert len(stored) == 400


async def test_monitor_samples_wait_for_a_database_that_is_away(records: Records, clock: Clock) -> None:
    async with taking(records, write_seconds=60) as samples:
        await send(samples, "s1", sample(1))
        write = records.write

        async def away(*writes: Any, **options: Any) -> int:
            raise samples_module.Unavailable("away")

        records.write = away  # type: ignore[method-assign]
        await samples.flush()
        clock.time += 3600
        await send(samples, "s1", sample(2))
        await samples.flush()
        records.write = write  # type: ignore[method-assign]
        await samples.flush()
    async with taking(records) as after:
        rows = await timeline(after, "s1", "monthly")
        assert [row["totals"]["load"] for row in rows] == [1, 2]
        assert await asyncio.wait_for(after.latest("s1"), 5)
