"""The lease: one primary, fail-over, fencing epochs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from redis.asyncio import Redis

from conductor.leadership import Leadership
from conductor.live.connection import connect
from conductor.live.keys import keys
from tests.integration.redis_server import redis_server

TTL, MARGIN = 0.9, 0.2


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    async with redis_server() as server:
        client = connect(server.url)
        yield client
        await client.aclose()


class Candidate:
    """A conductor as far as the election goes."""

    def __init__(self, redis: Redis, host: str) -> None:
        self.leadership = Leadership(redis, keys("test"), host, owner=host, ttl=TTL, margin=MARGIN)
        self.in_office = asyncio.Event()
        self.task = asyncio.create_task(self.leadership.run(self._office))

    async def _office(self, epoch: int) -> None:
        self.leadership.took_office()
        self.in_office.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.in_office.clear()

    async def stop(self, *, cleanly: bool) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        if cleanly:
            await self.leadership.release()


async def _either(*candidates: Candidate) -> Candidate:
    waits = {asyncio.create_task(one.in_office.wait()): one for one in candidates}
    done, rest = await asyncio.wait(waits, timeout=5 * TTL, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    assert done, "nobody took office"
    return waits[done.pop()]


async def test_one_of_two_is_primary_and_the_other_knows_its_host(redis: Redis) -> None:
    one, two = Candidate(redis, "one"), Candidate(redis, "two")
    primary = await _either(one, two)
    other = two if primary is one else one
    async with asyncio.timeout(5):
        while not other.leadership.primary_host:
            await asyncio.sleep(0.02)
    assert primary.leadership.primary
    assert not other.leadership.primary
    assert other.leadership.primary_host == primary.leadership.primary_host
    for candidate in (one, two):
        await candidate.stop(cleanly=True)


@pytest.mark.parametrize("cleanly", [True, False])
async def test_the_standby_takes_over_with_a_higher_epoch(redis: Redis, cleanly: bool) -> None:
    one = Candidate(redis, "one")
    await _either(one)
    two = Candidate(redis, "two")
    await one.stop(cleanly=cleanly)
    async with asyncio.timeout(3 * TTL):
        await two.in_office.wait()
    assert two.leadership.epoch > one.leadership.epoch
    await two.stop(cleanly=True)


async def test_a_primary_whose_lease_was_taken_leaves_office(redis: Redis) -> None:
    one = Candidate(redis, "one")
    await _either(one)
    names = keys("test")
    await redis.hset(names.lease, "owner", "somebody else")
    await redis.incr(names.epoch)
    async with asyncio.timeout(3 * TTL):
        while one.in_office.is_set():
            await asyncio.sleep(0.01)
    assert not one.leadership.primary
    await one.stop(cleanly=True)


async def test_the_lease_survives_renewals(redis: Redis) -> None:
    one = Candidate(redis, "one")
    await _either(one)
    two = Candidate(redis, "two")
    deadline = asyncio.get_running_loop().time() + 3 * TTL
    while asyncio.get_running_loop().time() < deadline:
        assert one.leadership.primary
        assert not two.in_office.is_set()
        await asyncio.sleep(0.05)
    for candidate in (one, two):
        await candidate.stop(cleanly=True)


async def test_a_primary_that_was_killed_finds_its_own_lease_again(redis: Redis) -> None:
    one = Candidate(redis, "one")
    await _either(one)
    await one.stop(cleanly=False)
    again = Candidate(redis, "one")
    async with asyncio.timeout(TTL / 2):
        await again.in_office.wait()
    assert again.leadership.epoch == one.leadership.epoch + 1
    await again.stop(cleanly=True)


async def test_a_redis_that_refuses_for_a_while_gets_a_primary_again(redis: Redis) -> None:
    """As one whose memory or disk is full does: that must not end anybody's candidature for ever."""
    await redis.config_set("maxmemory", 1)
    one = Candidate(redis, "one")
    async with asyncio.timeout(5 * TTL):
        while int((await redis.info("stats"))["total_error_replies"]) < 2:
            await asyncio.sleep(0.01)
    assert not one.in_office.is_set()
    await redis.config_set("maxmemory", 0)
    async with asyncio.timeout(5 * TTL):
        await one.in_office.wait()
    await one.stop(cleanly=True)
