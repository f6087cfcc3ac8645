"""What jobs tell the event log: with the change that makes it true, or not at all, and until the log has it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from redis.asyncio import Redis

from conductor.announcer import Signals
from conductor.audit import causes
from conductor.audit.chronicle import described, keep_up
from conductor.audit.event_log import EventLog, Filter
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records
from conductor.signals import JobAccepted, JobQueued, JobStarted, Signal
from shared import clock
from tests.databases import database_url, postgres, records
from tests.integration.live.test_book import NAMES, book, job, redis, server

__all__ = ["database_url", "postgres", "records", "redis", "server"]

STORY = causes.alerted("story")


def asked(job_id: str) -> ActiveJob:
    one = job(job_id, correlation_id=STORY)
    one.say(JobAccepted(job_id=job_id, event_id="e1", **one.story()))
    return one


class Ear(Signals):
    """Describes as in a conductor, and remembers what was announced."""

    def __init__(self) -> None:
        super().__init__(described)
        self.heard: list[Signal] = []

    def publish(self, signal: Signal) -> None:
        self.heard.append(signal)


@asynccontextmanager
async def opened(redis: Redis) -> AsyncIterator[tuple[JobBook, Ear]]:
    async with book(redis) as one:
        one.signals = ear = Ear()
        yield one, ear


async def kept(redis: Redis, job_id: str) -> list[str]:
    """The events that a job in Redis carries."""
    stored = {name.decode(): value for name, value in (await redis.hgetall(NAMES.job + job_id)).items()}
    if "doc" not in stored:
        return []
    return [row.id for one in ActiveJob.decode(stored["doc"], stored["live"]).untold for row in one.rows]


async def outbox(redis: Redis) -> set[str]:
    return {id.decode() for id in await redis.hkeys(NAMES.outbox)}


async def emptied(book: JobBook, records: Records) -> None:
    """Run the log's keeper until the book has nothing left for it."""
    moving = asyncio.create_task(keep_up(book, records))
    async with asyncio.timeout(10):
        while len(book.outbox) or any(job.untold for job in book):
            await asyncio.sleep(0.01)
    moving.cancel()
    with suppress(asyncio.CancelledError):
        await moving


async def logged(records: Records) -> list[str]:
    page = await EventLog(records).page(Filter(), Restriction(), limit=100, offset=0, newest_first=False)
    assert await EventLog(records).verify() == (page.total, None)
    return [event.id for event in page.events]


async def test_event_log_a_job_carries_its_events_with_the_change(redis: Redis) -> None:
    async with opened(redis) as (book, ear):
        one = asked("j1")
        await book.accept(one, idempotency_key="k", keep_seconds=60)
        assert await kept(redis, "j1") == [causes.accepted("j1")]
        assert await book.accept(asked("j2"), idempotency_key="k", keep_seconds=60) == "j1"
        assert [type(signal) for signal in ear.heard] == [JobAccepted], "j2 was never made"
        one.say(JobStarted(job_id="j1", event_id="e1", server_id="s1", attempt=1, **one.story()))
        await book.save(one)
        assert await kept(redis, "j1") == [causes.accepted("j1"), causes.started("j1", 1)]
        assert [type(signal) for signal in ear.heard] == [JobAccepted, JobStarted]


async def test_event_log_of_a_job_that_leaves_without_a_record(redis: Redis) -> None:
    """Nothing else would tell of it: the outbox keeps it from the very step on in which the job leaves."""
    async with opened(redis) as (book, ear):
        one = asked("j1")
        await book.accept(one)
        await book.settle(one, [job("j3", retry_prev="j1")])
        assert await outbox(redis) == {causes.accepted("j1")}
        follower = book.get("j3")
        assert follower is not None
        assert follower.job["correlation_id"] == STORY
        assert await kept(redis, "j3") == [causes.accepted("j3")]
        one.say(JobQueued(job_id="j1", event_id="e1", **one.story()))
        await book.save(one)  # it has left: no change, no event
        assert len(ear.heard) == 2
        assert await outbox(redis) == {causes.accepted("j1")}
        await book.drop(follower)
        assert await outbox(redis) == {causes.accepted("j1"), causes.accepted("j3")}


async def test_event_log_takes_its_events_off_a_job_that_lasts(redis: Redis, records: Records) -> None:
    async with opened(redis) as (book, _):
        await book.accept(asked("j1"))
        await book.accept(asked("j2"))
        await emptied(book, records)
        assert sorted(await logged(records)) == sorted([causes.accepted("j1"), causes.accepted("j2")])
        async with asyncio.timeout(10):
            while await kept(redis, "j1") or await kept(redis, "j2"):
                await asyncio.sleep(0.01)


async def test_event_log_of_the_next_primary_has_each_event_once(redis: Redis, records: Records) -> None:
    """The one before it died between the log and the book."""
    async with opened(redis) as (first, _):
        leaving, staying = asked("j1"), asked("j2")
        await first.accept(leaving)
        await first.accept(staying)
        await first.settle(leaving)
        rows = [*first.outbox.some(9), *(row for one in staying.untold for row in one.rows)]
        assert len(rows) == 2
        await records.write(events=rows)
    async with opened(redis) as (second, _):
        assert await outbox(redis) == {causes.accepted("j1")}
        assert await kept(redis, "j2") == [causes.accepted("j2")]
        await emptied(second, records)
    assert sorted(await logged(records)) == sorted(row.id for row in rows)


async def test_event_log_entries_that_cannot_be_read_keep_nobody_from_office(redis: Redis) -> None:
    await redis.hset(NAMES.outbox, "x", b"\xc1 no msgpack")
    async with opened(redis) as (book, _):
        assert len(book.outbox) == 0


def test_events_of_jobs_know_when_they_happened() -> None:
    one = asked("j1")
    [untold] = one.note(described)
    assert abs(untold.rows[0].occurred - clock.now() * 1_000_000) < 60_000_000
