"""Steps of a workflow in the job book, on a real Redis: all or nothing, in order, there for the next primary."""

from redis.asyncio import Redis

from conductor.live.job import ActiveJob
from tests.integration.live.test_book import book, job, redis, server

__all__ = ["redis", "server"]


def child(job_id: str, parent: str = "jw") -> ActiveJob:
    return job(job_id, workflow={"job": parent, "node": "n1"})


async def test_a_step_is_there_for_the_next_primary(redis: Redis) -> None:
    async with book(redis) as first:
        parent, done = job("jw"), child("j1")
        await first.accept(parent)
        await first.accept(done)

        there = await first.advance(
            parent, {"run": b"two", "batches": b"x"}, ended=done, follow_ups=[child("j2"), child("j3")]
        )
        await first.advance(parent, {"run": b"three", "batches": b""})

        assert there
        assert [one.id for one in first.of_workflow("jw")] == ["j2", "j3"]
    async with book(redis) as second:
        assert {one.id for one in second} == {"jw", "j2", "j3"}
        found = second.get("jw")
        assert found is not None
        assert found.fields == {"run": b"three"}
        assert [one.id for one in second.of_workflow("jw")] == ["j2", "j3"]


async def test_nothing_follows_a_workflow_that_has_left_the_book(redis: Redis) -> None:
    async with book(redis) as first:
        parent, done = job("jw"), child("j1")
        await first.accept(parent)
        await first.accept(done)
        await first.settle(parent)

        assert not await first.advance(parent, {"run": b"two"}, ended=done, follow_ups=[child("j2")])

        assert [one.id for one in first] == []
    async with book(redis) as second:
        assert [one.id for one in second] == []


async def test_a_sub_job_that_ends_leaves_the_list_of_its_workflow(redis: Redis) -> None:
    async with book(redis) as first:
        for one in (job("jw"), child("j1"), child("j2", parent="other")):
            await first.accept(one)
        found = first.get("j1")
        assert found is not None

        await first.settle(found)

        assert first.of_workflow("jw") == []
        assert [one.id for one in first.of_workflow("other")] == ["j2"]


async def test_a_restarted_redis_gets_the_run_back(redis: Redis) -> None:
    async with book(redis) as first:
        parent = job("jw")
        await first.accept(parent)
        await first.advance(parent, {"run": b"two"})
        await redis.delete(*[key async for key in redis.scan_iter("*jw*")])

        await first._writer._call(first._everything())

    async with book(redis) as second:
        found = second.get("jw")
        assert found is not None
        assert found.fields == {"run": b"two"}
