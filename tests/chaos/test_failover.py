"""Two conductors: the primary dies, leaves, or is put to sleep, and the other one takes over."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.chaos.pair import LEASE, Host, Pair, pair
from tests.databases import PostgresServer
from tests.processes import ApiError, Client, eventually

IN_FLIGHT = 24

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def two(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> AsyncIterator[Pair]:
    database_url = postgres.new_database()
    async with pair(tmp_path_factory.mktemp("p"), database_url) as running:
        yield running
    postgres.drop_database(database_url)


async def _in_flight(two: Pair, *, pause: float = 0.2) -> None:
    await two.create_event(lines=20, pause=pause)
    await two.promise_many(IN_FLIGHT)
    await two.running(IN_FLIGHT)


async def test_killed_primary(two: Pair) -> None:
    """The standby takes over; jobs that were accepted just before the death run there."""
    first, second = two.hosts
    await _in_flight(two)
    await two.promise_many(6)
    calling = asyncio.create_task(two.promise_many(6))
    await first.kill()
    await second.answers(200, timeout=3 * LEASE)
    await two.followed(second)
    await calling
    await two.settled()


async def test_primary_that_stops_hands_over_at_once_and_may_come_back(two: Pair) -> None:
    first, second = two.hosts
    await _in_flight(two)
    calling = asyncio.create_task(two.promise_many(6))
    asked = time.monotonic()
    first.signal(signal.SIGTERM)
    await second.answers(200, timeout=3 * LEASE)
    assert time.monotonic() - asked < 2
    assert await first.exited(5) == 0
    await two.followed(second)
    first.start()
    await first.answers(503)
    await calling

    await second.kill()
    await first.answers(200, timeout=3 * LEASE)
    await two.followed(first)
    print("T", time.monotonic())
    await two.promise_many(6)
    print("T", time.monotonic())
    await two.settled()


async def test_primary_that_slept_past_its_lease_changes_nothing(two: Pair) -> None:
    first, second = two.hosts
    await _in_flight(two, pause=0.4)
    first.signal(signal.SIGSTOP)
    calling = asyncio.create_task(two.promise_many(6))  # into the socket of the one that sleeps
    await second.answers(200, timeout=3 * LEASE)
    first.signal(signal.SIGCONT)
    await first.answers(503)
    await two.followed(second)
    async with Client(first.url, two.api_key) as client:
        with pytest.raises(ApiError) as refused:
            await client.call("get_active_jobs")
        assert (refused.value.status, refused.value.code) == (500, "master")
    await calling
    await two.settled()
