"""The engine as a whole: what a job goes through, and what it may never lose or do twice."""

import asyncio
from typing import Any

import msgspec
import pytest

from conductor.errors import Deposed, Refusal
from shared import clock
from shared.protocol.messages import HeldJob, HeldState, JobUpdate
from tests.integration.jobs.house import House, Launched, held, until
from tests.processes import eventually

ONE_AT_A_TIME = {"type": "job", "enabled": True, "amount": 1}
QUEUE = {"type": "queue", "enabled": True, "amount": 10}
RETRY = {"type": "retry", "enabled": True, "amount": 1}


async def test_a_job_is_assigned_in_the_book_before_its_satellite_hears_of_it(house: House) -> None:
    house.satellites.join("s1")
    in_redis: list[Any] = []

    async with house.term() as term:

        def remember(launched: Launched) -> None:
            key = house.names.job + launched.id
            in_redis.append(asyncio.ensure_future(house.redis.hget(key, "live")))

        house.satellites.on_launch = remember
        job_id = await term.launch(await house.event())
        launched = await term.launched(job_id)

        live = msgspec.msgpack.decode(await in_redis[0])
        assert live["job"]["server"] == "s1"
        assert live["job"]["state"] == "active"
        assert (live["attempt"], launched.attempt) == (1, 1)
        assert launched.job["params"] == {"script": "true"}


async def test_a_result_is_archived_acknowledged_and_out_of_the_book(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        launched = await term.launched(await term.launch(event))
        term.log(launched, b"hello\n")
        term.result(launched, log_size=6, code="Disk Full!", data={"n": 1})
        record = await term.ended(launched.id)

        assert (record["code"], record["output"], record["data"]) == ("disk_full_", "hello\n", {"n": 1})
        assert record["final"] is True
        assert house.satellites.result_acks == [("s1", launched.id, 1)]
        assert await house.redis.smembers(house.names.jobs) == set()
        assert house.definitions.state.get(f"events/{event['id']}")["total_count"] == 1


async def test_a_result_waits_for_the_whole_log(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        term.log(launched, b"one\n")
        term.result(launched, log_size=8)
        assert house.satellites.log_acks[-1] == ("s1", launched.id, 4, True)
        assert launched.id in term.book
        term.log(launched, b"two\n", offset=4)
        assert (await term.ended(launched.id))["output"] == "one\ntwo\n"


async def test_a_log_that_comes_after_its_result_is_asked_for_once(house: House) -> None:
    """Asked for at each chunk, every chunk came many times, until the satellite's link was full of them."""
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        term.result(launched, log_size=20)
        for offset in range(0, 20, 4):
            term.log(launched, b"one\n", offset=offset)
        assert (await term.ended(launched.id))["output"] == "one\n" * 5
        assert [ack for ack in house.satellites.log_acks if ack[3]] == [("s1", launched.id, 0, True)]


async def test_one_result_told_many_times_ends_the_job_once(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        launched = await term.launched(await term.launch(event))
        for _ in range(5):
            term.result(launched)
        await term.ended(launched.id)
        term.result(launched, code=1)
        await until(lambda: len(house.satellites.result_acks) == 2, "the late result is acknowledged")

        assert (await term.ended(launched.id))["code"] == 0
        assert house.definitions.state.get(f"events/{event['id']}")["total_count"] == 1


async def test_the_queue_is_first_in_first_out(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE_AT_A_TIME, QUEUE])
        jobs = [await term.launch(event) for _ in range(4)]
        await term.launched(jobs[0])
        for job_id in jobs[1:]:
            await term.state(job_id, "queued")
        assert [term.job(job_id).job["position"] for job_id in jobs[1:]] == [1, 2, 3]

        for job_id in jobs:
            term.result(await term.launched(job_id))
            await term.ended(job_id)
        assert [one.id for one in house.satellites.launched] == jobs


async def test_priority_jumps_the_queue(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE_AT_A_TIME, QUEUE])
        first, second = [await term.launch(event) for _ in range(2)]
        urgent = await term.launch(event, priority=True)
        await term.state(urgent, "queued")
        for job_id in (first, urgent, second):
            term.result(await term.launched(job_id))
            await term.ended(job_id)
        assert [one.id for one in house.satellites.launched] == [first, urgent, second]


async def test_every_free_slot_is_filled_at_once(house: House) -> None:
    """Slots that become free together must not wait for one tick each."""
    house.satellites.join("s1")
    house.tick = 60.0
    async with house.term() as term:
        event = await house.event(limits=[{**ONE_AT_A_TIME, "amount": 5}, QUEUE])
        jobs = [await term.launch(event) for _ in range(10)]
        running = [await term.launched(job_id) for job_id in jobs[:5]]
        for job_id in jobs[5:]:
            await term.state(job_id, "queued")
        for launched in running:
            term.result(launched)
        for job_id in jobs[5:]:
            await term.launched(job_id)


async def test_positions_move_up_as_the_queue_does(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE_AT_A_TIME, QUEUE])
        jobs = [await term.launch(event) for _ in range(4)]
        term.result(await term.launched(jobs[0]))
        await term.launched(jobs[1])
        await until(lambda: [term.job(one).job["position"] for one in jobs[2:]] == [1, 2], "they move up")


async def test_a_retry_waits_its_delay_and_keeps_its_input(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[{**RETRY, "duration": 0.3}])
        first = await term.launched(await term.launch(event, input={"data": {"n": 1}}))
        term.result(first, code=1)
        record = await term.ended(first.id)
        again = record["jobs"][0]["id"]
        assert record["retried"] is True
        assert "_retried" in record["tags"]
        assert term.job(again).state == "retry_delay"
        due = term.job(again).job["until"]
        launched = await term.launched(again)
        assert clock.now() >= due
        assert launched.details["input"] == {"data": {"n": 1}}
        assert launched.job["retry_prev"] == first.id
        term.result(launched)
        assert "_last" in (await term.ended(again))["tags"]
        assert house.definitions.state.get(f"events/{event['id']}")["total_count"] == 1


@pytest.mark.parametrize("state", ["ready", "queued", "retry_delay"])
async def test_a_waiting_job_is_aborted_at_once(house: House, state: str) -> None:
    async with house.term() as term:
        if state == "ready":
            house.satellites.expected = {"s9": {"id": "s9", "groups": ["main"], "enabled": True}}
            job_id = await term.launch(await house.event())
        elif state == "queued":
            job_id = await term.launch(await house.event(limits=[ONE_AT_A_TIME, QUEUE]))
        else:
            house.satellites.join("s1")
            event = await house.event(limits=[{**RETRY, "duration": 600}])
            launched = await term.launched(await term.launch(event))
            term.result(launched, code=1)
            job_id = (await term.ended(launched.id))["jobs"][0]["id"]
        await term.state(job_id, state)
        term.engine.abort(job_id, "No more.")
        record = await term.ended(job_id)
        assert (record["code"], record["description"]) == ("abort", "No more.")
        assert "retried" not in record
        assert house.satellites.launches_of(job_id) == []


async def test_a_running_job_is_aborted_by_its_satellite(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        term.engine.abort(launched.id, "No more.")
        assert house.satellites.aborted == [("s1", launched.id, 1)]
        assert launched.id in term.book
        term.result(launched, code="abort", description="No more.")
        assert (await term.ended(launched.id))["code"] == "abort"


async def test_a_job_whose_satellite_is_away_is_aborted_at_once(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        del house.satellites.online["s1"]
        term.engine.server_left("s1", "gone")
        term.engine.abort(launched.id, "No more.")
        assert (await term.ended(launched.id))["code"] == "abort"
        with pytest.raises(Refusal):
            term.engine.abort(launched.id, "Again.")


async def test_a_job_aborted_while_it_is_being_assigned_never_starts(house: House) -> None:
    """Its satellite does not know it yet, so that telling it to abort would be lost."""
    house.satellites.join("s1")
    async with house.term() as term:
        job_id = await term.launch(await house.event())
        while term.job(job_id).state != "active":
            await asyncio.sleep(0)  # one step of the loop at a time: the book's answer is still on its way
        assert house.satellites.launched == []
        term.engine.abort(job_id, "No more.")
        assert (await term.ended(job_id))["code"] == "abort"
        assert house.satellites.launched == []
        assert house.satellites.aborted == []


async def test_a_job_whose_event_is_disabled_meanwhile_ends(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event(limits=[ONE_AT_A_TIME, QUEUE])
        first = await term.launched(await term.launch(event))
        waiting = await term.launch(event)
        await term.state(waiting, "queued")
        await disable(house, event["id"])
        record = await term.ended(waiting)
        assert record["code"] == "abort"
        term.result(first)
        assert (await term.ended(first.id))["code"] == 0


async def disable(house: House, event_id: str) -> None:
    from conductor.definitions.writer import House as Owner
    from conductor.signals import SYSTEM

    await house.definitions.update("events", event_id, {"enabled": False}, actor=SYSTEM, by=Owner("admin"))


async def test_without_a_server_a_job_ends_or_is_tried_again(house: House) -> None:
    async with house.term() as term:
        record = await term.ended(await term.launch(await house.event()))
        assert (record["code"], record["description"]) == ("abort", "No available servers matching targets.")
        retried = await term.ended(await term.launch(await house.event(limits=[RETRY])))
        assert retried["retried"] is True


async def test_a_queued_job_starts_when_a_server_comes(house: House) -> None:
    async with house.term() as term:
        event = await house.event(limits=[{**ONE_AT_A_TIME, "amount": 3}, QUEUE])
        jobs = [await term.launch(event) for _ in range(4)]
        for job_id in jobs:
            await term.state(job_id, "queued")
        house.satellites.join("s1")
        await term.resumed("s1")
        for job_id in jobs[:3]:
            await term.launched(job_id)
        assert [one.id for one in house.satellites.launched] == jobs[:3]


async def test_a_job_that_nobody_hears_of_is_dead(house: House) -> None:
    house.settings.dead_job_timeout = 0.3
    house.satellites.join("s1")
    house.satellites.base.add("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        record = await term.ended(launched.id)
        assert record["code"] == "abort"
        assert "assuming job is dead" in record["description"]


async def test_a_late_result_of_a_dead_job_is_not_lost(house: House) -> None:
    house.settings.dead_job_timeout = 0.3
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        del house.satellites.online["s1"]
        term.engine.server_left("s1", "gone")
        assert (await term.ended(launched.id))["code"] == "abort"
        house.satellites.join("s1")
        await term.resumed("s1", held(launched, HeldState.FINISHED))
        term.result(launched, code=0, data={"n": 1})

        async def added() -> dict[str, Any] | None:
            record = await house.archive.get(launched.id)
            return record if record and record["code"] != "abort" else None

        record = await eventually(added, "the late result is in the record")
        assert record is not None
        assert (record["code"], record["data"]) == ("warning", {"n": 1})
        await until(lambda: house.satellites.result_acks[-1] == ("s1", launched.id, 1), "it is acknowledged")
        assert "late" in record["description"]


# Take-over


async def test_the_next_primary_goes_on_with_everything(house: House) -> None:
    house.satellites.join("s1")
    event = await house.event(limits=[ONE_AT_A_TIME, QUEUE])
    async with house.term() as term:
        running = await term.launched(await term.launch(event))
        queued = [await term.launch(event) for _ in range(2)]
        await term.state(queued[1], "queued")
        term.log(running, b"one\n")
    house.satellites.launched.clear()
    house.satellites.online.clear()
    async with house.term() as term:
        house.satellites.join("s1")
        await term.resumed("s1", held(running))
        assert house.satellites.launched == []
        size = term.engine.logs.size(running.id)
        term.log(running, b"one\ntwo\n"[size:], offset=size)
        term.result(running, log_size=8)
        assert (await term.ended(running.id))["output"] == "one\ntwo\n"
        for job_id in queued:
            term.result(await term.launched(job_id))
            await term.ended(job_id)
        assert [one.id for one in house.satellites.launched] == queued


async def test_an_assigned_job_that_never_arrived_is_launched_again(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        await term.resumed("s1")
        again = await term.launched(launched.id, times=2)
        assert (again.server, again.attempt) == ("s1", 1)


@pytest.mark.parametrize("state", ["active", "finishing"])
async def test_a_job_that_ran_and_is_held_no_more_is_lost_and_not_started_again(
    house: House, state: str
) -> None:
    """Its host was set up anew: what was seen running must not run twice unless its retry limit says so."""
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        update = {"pid": 7, "state": state}
        term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update=update))
        await term.resumed("s1")
        record = await term.ended(launched.id)
        assert record["code"] == "lost"
        assert len(house.satellites.launches_of(launched.id)) == 1


async def test_an_assignment_that_the_book_has_lost_is_taken_over_from_its_satellite(house: House) -> None:
    house.satellites.expected = {"s1": {"id": "s1", "groups": ["main"], "enabled": True}}
    async with house.term() as term:
        job_id = await term.launch(await house.event())
        house.satellites.join("s1")
        running = HeldJob(id=job_id, attempt=1, state=HeldState.RUNNING)
        await term.resumed("s1", running)
        job = term.job(job_id)
        assert (job.state, job.server, job.attempt) == ("active", "s1", 1)
        term.result(Launched("s1", job.job, {}, 1))
        assert (await term.ended(job_id))["server"] == "s1"
        assert house.satellites.launched == []
        assert house.satellites.aborted == []


async def test_an_attempt_that_another_server_has_is_aborted(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        house.satellites.join("s2")
        await term.resumed("s2", held(launched))
        assert house.satellites.aborted == [("s2", launched.id, 1)]


async def test_an_unknown_job_is_adopted_from_its_copy(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
    await house.redis.delete(house.names.jobs)
    async with house.term() as term:
        await term.resumed("s1", held(launched))
        assert house.satellites.copies == [("s1", launched.id, 1)]
        await term.engine.reports.adopt("s1", copy_of(launched), lambda: True)
        term.result(launched)
        assert (await term.ended(launched.id))["recovered"] is True


def copy_of(launched: Launched, **changes: Any) -> Any:
    from shared.protocol.messages import JobCopy

    job = {key: value for key, value in {**launched.job, **changes}.items() if value is not None}
    return JobCopy(id=launched.id, attempt=launched.attempt, job=job)


@pytest.mark.parametrize(
    "changes",
    [{"state": None}, {"state": 5}, {"started": None}, {"started": "x"}, {"event": None}, {"limits": 5},
     {"limits": [5]}, {"tags": 5}, {"tags": [{}]}, {"server": "s2"}, {"state": "complete"}],
)  # fmt: skip
async def test_a_copy_that_makes_no_sense_harms_nobody(house: House, changes: dict[str, Any]) -> None:
    house.satellites.join("s1")
    launched = Launched(
        "s1",
        {"id": "jcopy", "event": "e", "server": "s1", "state": "active", "started": 1.0, "limits": []},
        {},
        1,
    )
    async with house.term() as term:
        await term.engine.reports.adopt("s1", copy_of(launched, **changes), lambda: True)
        for job in list(term.book):
            assert job.state == "active"
            term.engine._watch(job, clock.now())
        term.engine._dispatcher.examine_waiting()
        assert not term.running.done()


async def test_a_deposed_write_ends_the_term(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        await house.redis.incr(house.names.epoch)
        with pytest.raises((Deposed, Refusal)):
            await term.launch(event)
        await until(term.running.done, "the engine stops")
        assert house.satellites.launched == []
        assert await house.redis.smembers(house.names.jobs) == set()


async def test_who_waits_for_a_job_learns_that_the_term_has_ended(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        waiting = asyncio.create_task(term.engine.wait_for(launched.id))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with pytest.raises(Deposed):
            await waiting


async def test_waiting_for_a_job_that_left_no_record_is_refused(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        launched = await term.launched(await term.launch(event, key="k"))
        term.result(launched)
        await term.ended(launched.id)
        await house.archive.delete(launched.id)
        async with asyncio.timeout(5):
            with pytest.raises(Refusal):
                await term.engine.wait_for(await term.launch(event, key="k"))


# Ephemeral jobs, tags


async def test_an_ephemeral_job_is_not_stored_and_its_waiter_gets_it_all_the_same(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        job_id = await term.launch(event, ephemeral=True)
        waiting = asyncio.create_task(term.engine.wait_for(job_id))
        launched = await term.launched(job_id)
        term.result(launched, description="done")
        assert (await waiting)["description"] == "done"
        assert await house.archive.get(job_id) is None
        assert house.definitions.state.get(f"events/{event['id']}")["total_count"] == 1
        assert house.satellites.result_acks == [("s1", job_id, 1)]


async def test_an_ephemeral_job_that_fails_is_stored(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event(), ephemeral=True))
        term.result(launched, code=1)
        assert (await term.ended(launched.id))["code"] == 1


async def test_unknown_tags_are_dropped_with_a_warning(house: House) -> None:
    from conductor.definitions.writer import House as Owner
    from conductor.signals import SYSTEM

    tag = await house.definitions.create("tags", {"title": "Nightly"}, actor=SYSTEM, by=Owner("admin"))
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event(tags=[tag["id"]])))
        term.result(launched, push={"tags": ["nosuch", "Nightly"]})
        record = await term.ended(launched.id)
        assert record["tags"] == [tag["id"], "_success", "_last"]
        assert any("nosuch" in row["msg"] for row in record["activity"])
