"""What the book tells the event log: together with the change, or not at all, and until the log has it."""

import asyncio
from contextlib import suppress

from redis.asyncio import Redis

from conductor.audit import causes
from conductor.audit.chronicle import described, keep_up
from conductor.audit.event_log import EventLog, Filter
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records
from conductor.signals import JobAccepted, JobQueued, Signals
from tests.databases import database_url, postgres, records
from tests.integration.live.test_book import NAMES, book, job, redis, server

__all__ = ["database_url", "postgres", "records", "redis", "server"]


def asked(job_id: str) -> ActiveJob:
    one = job(job_id, correlation_id=causes.accepted("story"))
    one.say(JobAccepted(job_id=job_id, event_id="e1", **one.story()))
    return one


def told(opened: JobBook) -> list[str]:
    return list(opened.outbox.everything())


async def stored(redis: Redis) -> set[str]:
    return {id.decode() for id in await redis.hkeys(NAMES.outbox)}


async def test_a_change_of_the_book_and_its_event_are_one_step(redis: Redis) -> None:
    async with book(redis) as opened:
        opened.signals = Signals(described)
        one = asked("j1")
        await opened.accept(one, idempotency_key="k", keep_seconds=60)
        assert told(opened) == [causes.accepted("j1")]
        assert await opened.accept(asked("j2"), idempotency_key="k", keep_seconds=60) == "j1"
        assert await stored(redis) == {causes.accepted("j1")}, "j2 was never made"
        await opened.settle(one, [job("j3", retry_prev="j1")])
        one.say(JobQueued(job_id="j1", event_id="e1", **one.story()))
        await opened.save(one)  # it has left: no change, no event
        assert await stored(redis) == {causes.accepted("j1"), causes.accepted("j3")}
        follower = opened.get("j3")
        assert follower is not None
        assert follower.job["correlation_id"] == causes.accepted("story")


async def test_the_next_primary_takes_what_is_left_into_the_log_once(redis: Redis, records: Records) -> None:
    log = EventLog(records)
    async with book(redis) as first:
        first.signals = Signals(described)
        await first.accept(asked("j1"))
        await first.accept(asked("j2"))
        await records.write(events=await first.outbox.some(1))  # it dies before it removes the entry
    async with book(redis) as second:
        assert sorted(told(second)) == sorted([causes.accepted("j1"), causes.accepted("j2")])
        moving = asyncio.create_task(keep_up(second, records))
        async with asyncio.timeout(10):
            while await stored(redis):
                await asyncio.sleep(0.01)
        moving.cancel()
        with suppress(asyncio.CancelledError):
            await moving
        assert told(second) == []
    page = await log.page(Filter(), Restriction(), limit=10, offset=0)
    assert sorted(event.id for event in page.events) == sorted([causes.accepted("j1"), causes.accepted("j2")])
    assert await log.verify() == (2, None)
