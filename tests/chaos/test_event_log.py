"""The causal event log when its primary is killed: no gap, no event without its change, no change without one."""

from collections import Counter
from collections.abc import AsyncIterator

import pytest
import sqlalchemy as sa

from conductor.audit.event_log import EventLog
from conductor.records.store import Records
from conductor.records.tables import definitions, events, jobs
from tests.chaos.pair import LEASE, Pair, pair
from tests.databases import PostgresServer
from tests.processes import ApiError, Client, eventually

ROUNDS = 2
JOBS = 12

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
async def two(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> AsyncIterator[Pair]:
    database_url = postgres.new_database()
    async with pair(tmp_path_factory.mktemp("p"), database_url) as running:
        yield running
    postgres.drop_database(database_url)


async def test_event_log_of_a_primary_that_is_killed_under_load(two: Pair) -> None:
    await two.create_event(lines=3, pause=0.05)
    primary, standby = two.hosts
    for number in range(ROUNDS):
        calling = [two.promise_many(JOBS), two.promise_many(JOBS)]
        await calling[0]
        async with Client(primary.url, two.api_key) as client:
            for name in range(5):
                try:
                    await client.call("create_category", title=f"{number}-{name}", enabled=True)
                except ApiError:
                    break
        await primary.kill()
        await standby.answers(200, timeout=4 * LEASE)
        await two.followed(standby)
        await calling[1]
        primary.start()
        await primary.answers(503)
        primary, standby = standby, primary
    await two.settled()
    records = await Records.open(two.database_url)
    try:
        await _compare(records)
    finally:
        await records.close()


async def _compare(records: Records) -> None:
    async def archived() -> set[str]:
        return set(await records.read(lambda sql: sql.execute(sa.select(jobs.c.id)).scalars().all()))

    async def told(*types: str) -> Counter[str]:
        query = sa.select(events.c.payload).where(events.c.type.in_(types))
        rows = await records.read(lambda sql: sql.execute(query).scalars().all())
        return Counter(bytes(row).split(b'"id":"', 1)[1].split(b'"', 1)[0].decode() for row in rows)

    ended = await archived()
    once = Counter(dict.fromkeys(ended, 1))

    async def complete() -> bool:
        return await told("job.accepted") == once

    await eventually(complete, "every job's acceptance is in the log, once")
    assert await told("job.succeeded", "job.failed", "job.aborted", "job.lost") == once
    assert set(await told("job.started")) == ended
    made = await records.read(
        lambda sql: (
            sql.execute(sa.select(definitions.c.id).where(definitions.c.kind == "categories")).scalars().all()
        )
    )
    assert await told("category.created") == Counter(dict.fromkeys(made, 1))
    count, first_break = await EventLog(records).verify()
    assert first_break is None
    assert count == await EventLog(records).last()
