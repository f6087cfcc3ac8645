"""The other conductor takes over, twice, while jobs run, wait in a queue, and are tried again."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.chaos.pair import LEASE, Pair, pair
from tests.chaos.test_job_engine import all_kept, create_event
from tests.databases import PostgresServer

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def two(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> AsyncIterator[Pair]:
    database_url = postgres.new_database()
    async with pair(tmp_path_factory.mktemp("p"), database_url) as running:
        yield running
    postgres.drop_database(database_url)


async def test_job_engine_goes_on_at_the_other_conductor_and_back(two: Pair) -> None:
    first, second = two.hosts
    await create_event(two)
    calls = [asyncio.create_task(two.promise_many(40))]
    await two.running(10)
    await first.kill()
    calls.append(asyncio.create_task(two.promise_many(20)))
    await second.answers(200, timeout=3 * LEASE)
    first.start()
    await first.answers(503)
    await two.followed(second)
    calls.append(asyncio.create_task(two.promise_many(20)))
    await two.running(45)
    await second.kill()
    await first.answers(200, timeout=3 * LEASE)
    await asyncio.gather(*calls)
    two.client.url = first.url
    await all_kept(two)
