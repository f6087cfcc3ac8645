"""Queues: their order, whose turn it is, how long they keep a job, and emptying them (contract jobs.md §9)."""

import asyncio
from typing import Any

import pytest

from conductor.audit import causes
from conductor.audit.chronicle import described
from conductor.audit.resources import job_uuid
from conductor.errors import BadParameter
from conductor.jobs.ports import Ports
from conductor.signals import SYSTEM, Activity, Actor, JobQueued
from shared import clock
from tests.integration.jobs.house import House, Launched, Term, held, until

ONE = {"type": "job", "enabled": True, "amount": 1}
MANY = {"type": "job", "enabled": True, "amount": 99}
QUEUE = {"type": "queue", "enabled": True, "amount": 50}


async def finish(term: Term, launched: Launched) -> None:
    term.result(launched)
    await term.ended(launched.id)


async def test_better_no_event_keeps_the_others_from_a_shared_server(house: House) -> None:
    """A long queue of one event came first for ever; now events take turns, priority jobs before all."""
    house.tick = 60.0  # only the ends of jobs move the queues
    house.satellites.join("s1", maxJobs=1)
    async with house.term() as term:
        events = [await house.event(title=name, limits=[MANY, QUEUE]) for name in "abc"]
        running = await term.launched(await term.launch(events[0]))
        waiting = {}
        for number, event in [(0, events[0]), (1, events[0]), (2, events[0]), (3, events[1]), (4, events[2])]:
            waiting[number] = await term.launch(event)
            await term.state(waiting[number], "queued")
        order = []
        for _ in range(5):
            known = len(house.satellites.launched)
            await finish(term, running)
            await until(lambda known=known: len(house.satellites.launched) > known, "the next one starts")  # type: ignore[misc]
            running = house.satellites.launched[-1]
            order.append(next(number for number, job_id in waiting.items() if job_id == running.id))
        assert order == [0, 3, 4, 1, 2]


async def test_a_priority_job_goes_before_all_that_wait(house: House) -> None:
    house.tick = 60.0
    house.satellites.join("s1", maxJobs=1)
    async with house.term() as term:
        one, other = [await house.event(title=name, limits=[MANY, QUEUE]) for name in "ab"]
        running = await term.launched(await term.launch(one))
        later = await term.launch(one)
        await term.state(later, "queued")
        urgent = await term.launch(other, priority=True)
        await term.state(urgent, "queued")
        assert term.job(urgent).job["position"] == 0
        await finish(term, running)
        await term.launched(urgent)
        assert house.satellites.launches_of(later) == []


async def test_better_a_whole_queue_moves_up_at_once_when_there_is_room(house: House) -> None:
    """jobs.md, "Where to be better" 8: one job left a queue in each pass."""
    house.tick = 60.0
    async with house.term() as term:
        event = await house.event(limits=[{**ONE, "amount": 5}, QUEUE])
        jobs = [await term.launch(event) for _ in range(5)]
        await term.state(jobs[-1], "queued")
        assert sum(isinstance(one, JobQueued) for one in house.told) == 5
        house.satellites.join("s1")
        await term.resumed("s1")
        for job_id in jobs:
            await term.launched(job_id)


async def test_better_a_queue_may_bound_the_wait(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE, {**QUEUE, "duration": 0.2}])
        await term.launched(await term.launch(event))
        record = await term.ended(await term.launch(event))
        assert record["code"] == "abort"
        assert record["description"] == "Job has waited in its queue for more than 0.2 seconds."
        assert record["disk"] == {"total": 0, "count": 0}


async def test_better_emptying_a_queue_lets_nobody_wait_for_ever(house: House) -> None:
    """jobs.md §9 and "Where to be better" 8: callers that wait are told, and nothing is stored."""
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE, QUEUE])
        running = await term.launched(await term.launch(event))
        queued = [await term.launch(event) for _ in range(3)]
        await term.state(queued[-1], "queued")
        waiting = asyncio.create_task(term.engine.wait_for(queued[0]))
        await asyncio.sleep(0)
        assert await term.engine.queues.flush(event["id"], SYSTEM) == 3
        async with asyncio.timeout(5):
            assert (await waiting)["description"] == "Removed from the queue"
        for job_id in queued:
            assert job_id not in term.book
            assert await house.archive.get(job_id) is None
        assert await house.redis.smembers(house.names.jobs) == {running.id.encode()}
        assert [one.action for one in house.told if isinstance(one, Activity)] == ["queue_flush"]
        await finish(term, running)
        assert house.definitions.state.get(f"events/{event['id']}")["total_count"] == 1
        await term.launched(await term.launch(event))


class Alerts:
    def __init__(self) -> None:
        self.titles: dict[str, list[str]] = {}

    def limiting(self, server_id: str) -> list[str]:
        return self.titles.get(server_id, [])


async def test_each_refused_server_is_in_the_jobs_activity_log_with_its_reason(house: House) -> None:
    alerts = Alerts()
    house.job_ports = Ports(alerts=alerts)
    house.satellites.join("s1", title="One", enabled=False)
    house.satellites.join("s2", title="Two")
    house.satellites.join("s3", title="Three")
    alerts.titles["s2"] = ["Disk full"]
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        assert launched.server == "s3"
        told = [row["msg"] for row in term.job(launched.id).details["activity"]]
        assert "Server not available: One: The server is disabled." in told
        reason = "The server has an active alert that keeps jobs away: Disk full."
        assert f"Server not available: Two: {reason}" in told
        assert "Chose server: Three" in told


async def test_jobs_wait_for_the_end_of_an_alert(house: House) -> None:
    alerts = Alerts()
    alerts.titles["s1"] = ["Load"]
    house.job_ports = Ports(alerts=alerts)
    house.satellites.join("s1")
    async with house.term() as term:
        job_id = await term.launch(await house.event(limits=[ONE, QUEUE]))
        await term.state(job_id, "queued")
        alerts.titles.clear()
        assert (await term.launched(job_id)).server == "s1"


# Delays


async def test_a_delayed_job_starts_when_it_is_due_and_not_before(house: House) -> None:
    house.tick = 60.0
    house.satellites.join("s1")
    async with house.term() as term:
        due = clock.now() + 0.3
        job_id = await delayed(house, term, due)
        launched = await term.launched(job_id)
        assert clock.now() >= due
        assert "until" not in launched.job


async def delayed(house: House, term: Term, due: float) -> str:
    """A job in `start_delay`, as a trigger with a delay makes it."""
    house.satellites.online.clear()
    house.satellites.expected = {"s9": {"id": "s9", "groups": ["main"], "enabled": True}}
    job_id = await term.launch(await house.event())
    await until(lambda: not term.engine._dispatcher.holds(job_id), "it was looked at")
    job = term.job(job_id)
    job.set(until=due, state="start_delay")
    await term.book.save(job)
    house.satellites.expected = {}
    house.satellites.join("s1")
    return job_id


async def test_a_delay_is_taken_up_by_the_next_primary(house: House) -> None:
    async with house.term() as term:
        job_id = await delayed(house, term, clock.now() + 0.3)
    async with house.term() as term:
        assert house.satellites.launches_of(job_id) == []
        await term.launched(job_id)


async def test_a_queue_survives_its_primary_in_order(house: House) -> None:
    house.satellites.join("s1")
    event: dict[str, Any] = await house.event(limits=[ONE, QUEUE])
    async with house.term() as term:
        running = await term.launched(await term.launch(event))
        queued = [await term.launch(event, priority=number == 2) for number in range(3)]
        await term.state(queued[-1], "queued")
    async with house.term() as term:
        await term.resumed("s1", held(running))
        order = []
        await finish(term, running)
        for _ in range(3):
            await until(lambda: house.satellites.launched[-1].id not in (running.id, *order), "the next one")
            order.append(house.satellites.launched[-1].id)
            await finish(term, house.satellites.launched[-1])
        assert order == [queued[2], queued[0], queued[1]]


async def test_better_8_jobs_of_events_that_share_a_queue_run_one_after_the_other(house: House) -> None:
    house.satellites.join("s1")
    limits = [
        {"type": "job", "enabled": True, "amount": 1, "shared": "database"},
        {"type": "queue", "enabled": True, "amount": 5},
    ]
    first, second = [await house.event(limits=limits) for _ in range(2)]
    async with house.term() as term:
        running = await term.launched(await term.launch(first))
        waiting = await term.launch(second)
        last = await term.launch(first)
        await term.state(waiting, "queued")
        await term.state(last, "queued")
        term.result(running)
        assert term.job((await term.launched(waiting)).id).job["event"] == second["id"]
    async with house.term() as term:  # the next primary counts the same
        await term.resumed("s1", held(house.satellites.launches_of(waiting)[-1]))
        assert term.job(last).state == "queued"
        term.result(house.satellites.launches_of(waiting)[-1])
        await term.launched(last)


async def test_the_name_of_a_shared_queue_is_a_word(house: House) -> None:
    with pytest.raises(BadParameter, match="shared"):
        await house.event(limits=[{"type": "job", "enabled": True, "amount": 1, "shared": "a b"}])


async def test_event_log_learns_of_each_job_that_leaves_a_queue_with_its_leaving(house: House) -> None:
    """The same step takes a job out of the book and puts what happened into the outbox: a death loses neither."""
    house.satellites.join("s1")
    house.signals.describe = described
    async with house.term() as term:
        event = await house.event(limits=[ONE, QUEUE])
        await term.launched(await term.launch(event))
        queued = [await term.launch(event) for _ in range(2)]
        await term.state(queued[-1], "queued")
        by = Actor(kind="user", id="ann")

        assert await term.engine.queues.flush(event["id"], by, "497f6eca-6276-4993-bfeb-53cbbbba6f08") == 2
        assert await term.engine.queues.flush(event["id"], by) == 0

        rows = [row for row in term.book.outbox.some(100) if row.type in ("job.flushed", "queue.flush")]
        assert sorted(row.type for row in rows) == ["job.flushed", "job.flushed", "queue.flush"]
        assert {row.actor for row in rows} == {"ann"}
        left = {row.resource: row for row in rows if row.type == "job.flushed"}
        assert set(left) == {job_uuid(job_id) for job_id in queued}
        for job_id in queued:
            assert left[job_uuid(job_id)].causation == causes.accepted(job_id)
        [whole] = [row for row in rows if row.type == "queue.flush"]
        assert whole.correlation == "497f6eca-6276-4993-bfeb-53cbbbba6f08"
        assert not any(job_id in term.book for job_id in queued)
