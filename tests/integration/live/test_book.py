"""The job book on a real Redis: write-through, fencing, idempotency, restart of Redis."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from conductor.errors import Deposed, Unavailable
from conductor.live.book import JobBook
from conductor.live.connection import AWAY, connect, unix_url
from conductor.live.embedded import EmbeddedRedis
from conductor.live.job import ActiveJob
from conductor.live.keys import Keys, keys
from tests.integration.redis_server import redis_server

NAMES: Keys = keys("test")


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


@asynccontextmanager
async def book(redis: Redis, epoch: int = 1) -> AsyncIterator[JobBook]:
    opened = JobBook(redis, NAMES, epoch, holds_lease=lambda: True)
    await opened.load()
    running = asyncio.create_task(opened.run())
    try:
        yield opened
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError, BaseExceptionGroup):
            await running


def job(job_id: str, **more: object) -> ActiveJob:
    return ActiveJob(
        {"id": job_id, "event": "e1", "state": "ready", "started": 1.0, **more}, {"input": {"data": {}}}
    )


async def test_what_was_accepted_and_saved_is_there_for_the_next_primary(redis: Redis) -> None:
    async with book(redis) as first:
        one = job("j1", until=5)
        assert await first.accept(one) == "j1"
        one.set(state="active", server="s1")
        one.set_details(activity=[{"id": "m1"}])
        one.remove("until")
        one.attempt = 1
        await first.save(one)
        await first.accept(job("j2"))
    async with book(redis) as second:
        assert sorted(found.id for found in second) == ["j1", "j2"]
        found = second.get("j1")
        assert found is not None
        assert found.job == {"id": "j1", "event": "e1", "state": "active", "started": 1.0, "server": "s1"}
        assert found.details == {"input": {"data": {}}, "activity": [{"id": "m1"}]}
        assert found.attempt == 1
        assert [one.id for one in second.of_event("e1")] == ["j1", "j2"]


async def test_a_deposed_primary_changes_nothing(redis: Redis) -> None:
    async with book(redis) as old:
        await old.accept(job("j1"))
        await redis.incr(NAMES.epoch)
        with pytest.raises((Deposed, Unavailable)):
            await old.accept(job("j2"))
        assert "j2" not in old
    assert await redis.smembers(NAMES.jobs) == {b"j1"}


async def test_one_idempotency_key_makes_one_job(redis: Redis) -> None:
    async with book(redis) as opened:
        answers = await asyncio.gather(
            *(opened.accept(job(f"j{n}"), idempotency_key="k", keep_seconds=60) for n in range(20))
        )
        assert len(set(answers)) == 1
        assert [one.id for one in opened] == [answers[0]]
        assert await opened.accept(job("jx"), idempotency_key="other", keep_seconds=60) == "jx"


async def test_settling_lets_in_what_follows_in_one_step(redis: Redis) -> None:
    async with book(redis) as opened:
        one = job("j1")
        await opened.accept(one)
        await opened.settle(one, [job("j2", retry_prev="j1")])
        assert [found.id for found in opened] == ["j2"]
        await opened.save(one)  # a late change of a settled job
    async with book(redis) as later:
        assert [found.id for found in later] == ["j2"]
    assert await redis.exists(NAMES.job + "j1") == 0


async def test_marked_changes_are_flushed(redis: Redis) -> None:
    async with book(redis) as opened:
        one = job("j1")
        await opened.accept(one)
        before = await redis.hget(NAMES.job + "j1", "live")
        one.set(progress=0.5)
        opened.mark(one)
        async with asyncio.timeout(5):
            while await redis.hget(NAMES.job + "j1", "live") == before:
                await asyncio.sleep(0.02)
    async with book(redis) as later:
        found = later.get("j1")
        assert found is not None
        assert found.job["progress"] == 0.5


async def test_writes_outlive_a_killed_redis_and_the_book_is_made_whole(
    server: EmbeddedRedis, redis: Redis
) -> None:
    async with book(redis) as opened:
        await asyncio.gather(*(opened.accept(job(f"j{n:03}")) for n in range(50)))
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
        answers = await asyncio.gather(*(opened.accept(job(f"k{n:03}")) for n in range(50)))
        assert len(answers) == 50
    async with book(redis) as later:
        assert len(later) == 100


async def test_a_restarted_redis_forgets_jobs_that_were_settled(server: EmbeddedRedis, redis: Redis) -> None:
    async with book(redis) as opened:
        await opened.accept(job("j1"))
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
        async with asyncio.timeout(10):
            while True:
                with suppress(*AWAY):
                    # what the append-only file can hold after its last moment was lost
                    await redis.sadd(NAMES.jobs, "j0")
                    await redis.hset(NAMES.job + "j0", mapping={"doc": b"", "live": b""})
                    break
                await asyncio.sleep(0.02)
        await opened.accept(job("j2"))
        assert [one.id for one in opened] == ["j1", "j2"]
    assert await redis.smembers(NAMES.jobs) == {b"j1", b"j2"}


async def test_an_idle_primary_notices_the_restart_too(server: EmbeddedRedis, redis: Redis) -> None:
    async with book(redis) as opened:
        await opened.accept(job("j1"))
        os.kill((await redis.info("server"))["process_id"], signal.SIGKILL)
        async with asyncio.timeout(10):
            while True:
                with suppress(*AWAY):
                    await redis.delete(NAMES.job + "j1")
                    break
                await asyncio.sleep(0.02)
            while not await redis.exists(NAMES.job + "j1"):
                await asyncio.sleep(0.05)


async def test_a_job_whose_caller_gave_up_is_withdrawn_and_its_key_is_free(
    server: EmbeddedRedis, redis: Redis
) -> None:
    """Or the same call, repeated under its key, would be answered with a job that nobody runs."""
    async with book(redis) as opened:
        await opened.accept(job("j1"))
        pid = int((await redis.info("server"))["process_id"])
        os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await opened.accept(job("j2"), idempotency_key="k", keep_seconds=60)
        finally:
            os.kill(pid, signal.SIGCONT)
        async with asyncio.timeout(5):
            assert await opened.accept(job("j3"), idempotency_key="k", keep_seconds=60) == "j3"
        assert [one.id for one in opened] == ["j1", "j3"]
    assert await redis.smembers(NAMES.jobs) == {b"j1", b"j3"}


async def test_a_redis_that_goes_away_as_a_term_begins_ends_it(tmp_path: Path) -> None:
    """What was read of it may be gone with it: the next term reads anew."""
    redis = connect(unix_url(tmp_path / "nobody.sock"))
    opened = JobBook(redis, NAMES, 1, holds_lease=lambda: True)
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(10):
            await opened.run()
    assert raised.group_contains(Deposed)


async def test_a_term_ends_at_once_whatever_is_under_way(redis: Redis) -> None:
    """A cancellation that arrives together with an answer counts too."""
    for number in range(100):
        opened = JobBook(redis, NAMES, 1, holds_lease=lambda: True)
        running = asyncio.create_task(opened.run())
        calls = [asyncio.create_task(opened.accept(job(f"j{number}-{i}"))) for i in range(4)]
        await asyncio.sleep(number % 20 / 10_000)  # somewhere between connecting and the answer
        running.cancel()
        done, _ = await asyncio.wait([running], timeout=1)
        assert done, f"round {number}"
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
