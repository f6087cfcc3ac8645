"""The activity log over a real database: batches, words, and a database that is away for a while."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from conductor.announcer import Signals
from conductor.audit.activity import ActivityLog
from conductor.audit.history import of_item
from conductor.records.store import Records
from conductor.records.tables import activity, terms
from conductor.signals import Actor, DefinitionChanged, JobFinished

ANN = Actor(kind="user", id="ann", ips=("10.0.0.1",))


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    one = await Records.open(f"sqlite:///{tmp_path / 'test.db'}")
    yield one
    await one.close()


def change(id: str, verb: str = "update", kind: str = "events") -> DefinitionChanged:
    return DefinitionChanged(kind=kind, verb=verb, item={"id": id, "title": id}, actor=ANN)


async def stored(records: Records) -> list[dict[str, Any]]:
    query = sa.select(activity.c.doc).order_by(activity.c.id)
    return [
        msgspec.json.decode(doc) for doc in await records.read(lambda sql: list(sql.execute(query).scalars()))
    ]


async def test_rows_are_stored_in_order_with_their_words(records: Records) -> None:
    followed: list[dict[str, Any]] = []
    log, signals = ActivityLog(records, [followed.append]), Signals()
    signals.subscribe("activity", log.observe)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(signals.run()), group.create_task(log.run())]
        for number in range(40):
            signals.publish(change(f"e{number}"))
        signals.publish(JobFinished(job_id="j", event_id="e1", code=0, elapsed=1.0))
        await signals.settled(5)
        await log.flush(5)
        for task in tasks:
            task.cancel()
    rows = await stored(records)
    assert [row["event"]["id"] for row in rows] == [f"e{number}" for number in range(40)]
    assert followed == rows
    words = sa.select(terms.c.field, terms.c.word).where(terms.c.record == rows[0]["id"])
    found = await records.read(lambda sql: {tuple(row) for row in sql.execute(words)})
    assert found == {
        ("action", "event_update"),
        ("keywords", "e0"),
        ("keywords", "ann"),
        ("keywords", "10_0_0_1"),
    }


async def test_flush_needs_no_writer(records: Records) -> None:
    log = ActivityLog(records)
    await log.observe(change("e1"))
    await log.flush(5)
    assert len(await stored(records)) == 1


async def test_rows_wait_for_the_database(tmp_path: Path) -> None:
    """A write that fails keeps its rows; they go to the next one that works."""
    closed = await Records.open(f"sqlite:///{tmp_path / 'test.db'}")
    await closed.close()
    log = ActivityLog(closed)
    await log.observe(change("e1"))
    await log.observe(change("e2"))
    await log.flush(1)
    again = await Records.open(f"sqlite:///{tmp_path / 'test.db'}")
    try:
        log._records = again
        await log.flush(5)
        assert [row["event"]["id"] for row in await stored(again)] == ["e1", "e2"]
    finally:
        await again.close()


async def test_history_of_one_item(records: Records) -> None:
    log = ActivityLog(records)
    for verb in ("create", "update", "delete"):
        await log.observe(change("e1", verb))
    await log.observe(change("e2"))
    await log.observe(change("e1", kind="plugins"))
    await log.flush(5)
    actions = ("event_create", "event_update")
    rows, total = await of_item(records, "e1", actions, offset=0, limit=1)
    assert ([row["action"] for row in rows], total) == (["event_update"], 2)
    rows, total = await of_item(records, "e1", actions, offset=0, limit=9, newest_first=False)
    assert [row["action"] for row in rows] == ["event_create", "event_update"]
    assert "ips" not in rows[0]
    assert await of_item(records, "e1", actions, offset=5, limit=9) == ([], 2)
