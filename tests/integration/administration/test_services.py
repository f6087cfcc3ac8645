"""Internal jobs, statistics, sweeps, maintenance and settings."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from conductor.administration import tally
from conductor.administration.internal_jobs import InternalJob
from conductor.administration.statistics import Statistics
from conductor.errors import BadParameter, Refusal
from conductor.records.tables import statistics as table
from conductor.signals import JobFinished, JobStarted
from shared import clock
from tests.integration.administration.conftest import House


async def forever(job: InternalJob) -> None:
    job.progress(0.5)
    await asyncio.Event().wait()


async def test_a_job_is_listed_at_once_and_leaves_a_row(house: House) -> None:
    async def work(job: InternalJob) -> None:
        job.count("things", 3)
        job.details = "done"

    id = house.services.jobs.start("Some work", "maint", work, username="admin", params={"a": 1})
    assert [job.id for job in house.services.jobs.all()] == [id]
    ended = await house.ended(id)
    assert (ended["title"], ended["stats"], ended["details"], ended["complete"]) == (
        "Some work",
        {"things": 3},
        "done",
        True,
    )
    assert "progress" not in ended
    assert house.services.jobs.all() == []
    assert ("notify", {"type": "info", "message": "Job completed: Some work"}) in house.screens.told


async def test_heavy_jobs_exclude_each_other(house: House) -> None:
    """admin.yaml, "Where to be better": the original checks without a lock."""
    jobs = house.services.jobs
    first = jobs.start("Heavy", "maint", forever, username="", exclusive=True)
    jobs.start("Light", "maint", forever, username="")
    with pytest.raises(Refusal, match="already running"):
        jobs.start("Heavy too", "maint", forever, username="", exclusive=True)
    await asyncio.sleep(0)
    jobs.abort(first)
    assert "Aborted" in (await house.ended(first))["details"]
    jobs.start("Heavy again", "maint", forever, username="", exclusive=True)


async def test_a_job_that_fails_says_so_and_harms_nobody(house: House) -> None:
    async def refused(job: InternalJob) -> None:
        raise Refusal("db", "The query is bad")

    async def broken(job: InternalJob) -> None:
        raise ZeroDivisionError

    jobs = house.services.jobs
    ids = [jobs.start("x", "db", work, username="") for work in (refused, broken)]
    assert "The query is bad" in (await house.ended(ids[0]))["details"]
    details = (await house.ended(ids[1]))["details"]
    assert "internal error" in details
    assert "Zero" not in details
    with pytest.raises(Refusal):
        jobs.abort(ids[0])


async def test_counters_survive_a_death(house: House) -> None:
    """stats.yaml, "Where to be better": caps regress after a crash."""
    counted = house.services.statistics
    job = {"category": "c1", "plugin": "p1", "server": "s1", "groups": ["main"], "tags": []}
    await counted.observe(JobStarted(job_id="j1", event_id="e1", server_id="s1", attempt=1))
    await counted.observe(JobFinished(job_id="j1", event_id="e1", code=0, elapsed=2.0, job=job))
    await counted.observe(
        JobFinished(job_id="j2", event_id="e1", code=1, elapsed=2.0, job={"tags": ["_retried"]})
    )
    counted.follow({"action": "event_create"})
    await counted.flush()
    after = Statistics(house.records, lambda: "")
    await after.load()
    assert after.count("transactions", "job_success") == 1
    assert after.count("transactions", "job_start") == 1
    assert after.count("transactions", "job_error") == 0
    assert after.count("transactions", "event_create") == 1
    assert after.count("events", "e1", "job_complete") == 1
    assert after.count("categories", "c1", "job_complete") == 1
    assert after.count("groups", "main", "job_start") == 1
    assert after.current_day()["timeStart"] == counted.current_day()["timeStart"]


async def test_a_day_that_is_over_becomes_history_at_the_next_start(house: House) -> None:
    yesterday = int(clock.now()) - 2 * 86_400
    day = tally.new_day(yesterday) | {"requests": 7}
    await house.records.write(_row(yesterday, 0, {"currentDay": day}))
    await house.records.write(_delete_open(yesterday))
    after = Statistics(house.records, lambda: "")
    await after.load()
    rows, total = await after.history(0, 10)
    assert (total, rows[0][0], rows[0][1]["currentDay"]["requests"]) == (1, yesterday, 7)
    assert after.current_day()["requests"] == 0
    await after.reset()
    rows, total = await after.history(-1, 10)
    assert total == 2
    assert rows[0][0] > yesterday


async def test_a_query_deletes_its_records_oldest_first(house: House) -> None:
    await asyncio.gather(*(house.archive.add(_job(n, "one" if n % 3 else "two")) for n in range(250)))
    sweeps = house.services.sweeps
    id = sweeps.start("Deletion", "jobs", "event:one", "admin", _actor())
    assert (await house.ended(id))["stats"] == {"deleted": 166}
    assert (await house.archive.search("*")).total == 84
    assert (await house.archive.search("event:one")).total == 0
    unknown = sweeps.start("Deletion", "nonsense", "*", "admin", _actor())
    assert "Unknown index" in (await house.ended(unknown))["details"]


async def test_maintenance_leaves_what_the_settings_keep(house: House) -> None:
    """platform.md, "Where to be better" 6: trimmed by number and by age."""
    await asyncio.gather(*(house.archive.add(_job(n, "one")) for n in range(30)))
    house.settings.db_maint = {"jobs": {"max_rows": 10}}
    done: list[str] = []

    async def fails() -> None:
        done.append("tried")
        raise ZeroDivisionError

    house.services.maintenance.register("a part that fails", fails)
    ended = await house.ended(house.services.maintenance.start("Round", "admin"))
    assert ended["stats"]["jobs beyond what is kept"] == 20
    assert "a part that fails: failed" in ended["details"]
    assert done == ["tried"]
    page = await house.archive.search("*", limit=50, sort_dir=1)
    assert msgspec.json.decode(page.rows[0])["id"] == "j00020"
    assert house.services.definitions.state.get("maintenance")["last"] > 0
    house.settings.db_maint = {"jobs": {"max_days": 1}}
    await house.archive.add(_job(99, "one") | {"completed": clock.now()})
    assert await house.services.sweeps.trim("jobs") == 10
    assert (await house.archive.search("*")).total == 1


async def test_better_5_maintenance_keeps_pinned_snapshots_and_a_watch_displaces_no_incident(
    house: House,
) -> None:
    """snapshots.md: with rows alone counted, a long watch evicted what people wanted to keep."""
    stored = house.services.collections.documents["snapshots"]

    async def ids() -> list[str]:
        page = await stored.search("*", limit=100, sort_dir=1)
        return [msgspec.json.decode(row)["id"] for row in page.rows]

    now = int(clock.now())
    for number in range(20):
        source = "watch" if number % 2 else "alert"
        doc = {"id": f"sn{number:02d}", "source": source, "date": now - 3 * 86_400 + number}
        await stored.add(doc["id"], doc | ({"pinned": True} if number in (0, 1, 2) else {}))
    keep = house.settings.db_maint
    keep["snapshots"] = {"sources": {"watch": {"max_rows": 2}}}
    assert await house.services.sweeps.trim("snapshots") == 7
    assert await ids() == [f"sn{n:02d}" for n in (0, 1, 2, 4, 6, 8, 10, 12, 14, 16, 17, 18, 19)]
    keep["snapshots"] = {"max_rows": 4}
    assert await house.services.sweeps.trim("snapshots") == 6
    assert await ids() == ["sn00", "sn01", "sn02", "sn16", "sn17", "sn18", "sn19"]
    keep["snapshots"] = {"sources": {"watch": {"max_days": 2}}}
    assert await house.services.sweeps.trim("snapshots") == 2
    keep["snapshots"] = {"max_days": 2}
    assert await house.services.sweeps.trim("snapshots") == 2
    assert await ids() == ["sn00", "sn01", "sn02"]
    keep["snapshots"] = {"sources": "nonsense", "max_rows": "many"}
    assert await house.services.sweeps.trim("snapshots") == 0


async def test_better_10_servers_go_by_when_they_were_last_seen_and_those_online_stay(house: House) -> None:
    """monitoring.md: the ones that had joined first went, online or not."""
    stored, now = house.services.collections.documents["servers"], int(clock.now())
    for id, days in (("s1", 0), ("s2", 40), ("s3", 90), ("s4", 1), ("s5", 99)):
        await stored.add(id, {"id": id, "hostname": id, "groups": [], "modified": now - days * 86_400})
    house.services.sweeps.keeps = lambda index, row: (index, row["id"]) == ("servers", "s5")

    async def ids() -> list[str]:
        return [
            msgspec.json.decode(row)["id"] for row in (await stored.search("*", limit=9, sort_dir=1)).rows
        ]

    house.settings.db_maint = {"servers": {"max_rows": 4}}
    assert await house.services.sweeps.trim("servers") == 1
    assert await ids() == ["s1", "s2", "s4", "s5"]
    house.settings.db_maint = {"servers": {"max_days": 30}}
    assert await house.services.sweeps.trim("servers") == 1
    assert await ids() == ["s1", "s4", "s5"]


async def test_settings_change_at_once_and_are_kept(house: House) -> None:
    overrides = house.services.overrides
    web = house.settings.WebServer
    assert await overrides.update({"ttl": 7, "WebServer.timeout": 9, "marketplace.enabled": False}) == [
        "WebServer.timeout"
    ]
    assert (house.settings.ttl, web.timeout, house.settings.marketplace) == (7, 9.0, {"enabled": False})
    assert overrides.all() == {"ttl": 7, "WebServer.timeout": 9, "marketplace.enabled": False}
    with pytest.raises(BadParameter, match="ttl"):
        await overrides.update({"tz": "UTC", "ttl": "soon"})
    assert house.settings.tz == ""
    # admin.yaml, "Where to be better": in the original an override cannot be taken back.
    await overrides.update({"ttl": None})
    assert house.settings.ttl == 300
    assert "ttl" not in overrides.all()


def _job(number: int, event: str) -> dict[str, Any]:
    return {"id": f"j{number:05d}", "event": event, "completed": 1000.0 + number, "elapsed": 1, "code": 0}


def _actor() -> Any:
    from conductor.signals import Actor

    return Actor(kind="user", id="admin")


def _row(start: int, closed: int, doc: dict[str, Any]) -> Any:
    from conductor.records.store import Write, upsert

    row = {"start": start, "closed": closed, "doc": msgspec.json.encode(doc)}
    return Write(upsert(table), row)


def _delete_open(but: int) -> Any:
    from conductor.records.store import Write

    return Write(sa.delete(table).where(table.c.start != but))
