"""Firing marks and cursors on a real Redis: one firing makes one job, whatever is repeated."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from conductor.errors import Deposed, Unavailable
from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis
from conductor.live.firings import Firing
from tests.integration.live.test_book import NAMES, book, job
from tests.integration.redis_server import redis_server


@pytest.fixture
async def server() -> AsyncIterator[EmbeddedRedis]:
    async with redis_server() as running:
        yield running


@pytest.fixture
async def redis(server: EmbeddedRedis) -> AsyncIterator[Redis]:
    client = connect(server.url)
    await client.set(NAMES.epoch, 1)
    yield client
    await client.aclose()


FIRST = Firing("e1/0/60", "e1", "0:60", "0:0")


async def test_a_firing_that_is_repeated_answers_the_job_it_made(redis: Redis) -> None:
    async with book(redis) as first:
        assert await first.accept(job("j1"), firing=FIRST) == "j1"
        assert await first.accept(job("j2"), firing=FIRST) == "j1"
        assert [one.id for one in first] == ["j1"]
    await redis.incr(NAMES.epoch)
    async with book(redis, epoch=2) as second:
        assert second.firings.marks == {FIRST.mark: "j1"}
        assert second.firings.cursor("e1") == "0:60"
        assert await second.accept(job("j3"), firing=FIRST) == "j1"
        assert len(second) == 1


async def test_job_mark_and_cursor_are_written_in_one_step_or_not_at_all(redis: Redis) -> None:
    async with book(redis) as old:
        await redis.incr(NAMES.epoch)
        with pytest.raises((Deposed, Unavailable)):
            await old.accept(job("j1"), firing=FIRST)
    assert await redis.hgetall(NAMES.fired) == {}
    assert await redis.hgetall(NAMES.cursors) == {}
    assert await redis.smembers(NAMES.jobs) == set()


async def test_a_withdrawn_firing_leaves_neither_mark_nor_cursor(server: EmbeddedRedis, redis: Redis) -> None:
    async with book(redis) as opened:
        await opened.accept(job("j1"), firing=Firing("e1/0/0", "e1", "0:0"))
        pid = int((await redis.info("server"))["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await opened.accept(job("j2"), firing=FIRST)
        finally:
            os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(5):
            assert await opened.accept(job("j3"), firing=FIRST) == "j3"
        assert [one.id for one in opened] == ["j1", "j3"]


async def test_minutes_behind_the_cursor_need_no_marks(redis: Redis) -> None:
    async with book(redis) as opened:
        for number in range(1200):
            firing = Firing(f"e{number}/0/60")
            opened.firings.note(firing, f"j{number}")
        await opened.accept(job("j1"), firing=FIRST)
        await opened.firings.advance({"": "60", "e1": ""}, list(opened.firings.marks))
        assert opened.firings.marks == {}
    assert await redis.hgetall(NAMES.fired) == {}
    assert await redis.hgetall(NAMES.cursors) == {b"": b"60"}


async def test_a_restarted_redis_gets_marks_and_cursors_back(server: EmbeddedRedis, redis: Redis) -> None:
    async with book(redis) as opened:
        await opened.accept(job("j1"), firing=FIRST)
        await redis.delete(NAMES.fired, NAMES.cursors)
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
        await opened.accept(job("j2"))
        assert await opened.accept(job("j3"), firing=FIRST) == "j1"
    assert await redis.hget(NAMES.cursors, "e1") == b"0:60"
