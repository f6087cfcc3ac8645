"""One job on every eligible server, under a parent that sums them up (contract jobs.md §7.1)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from conductor.jobs import multiplex
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM
from shared.protocol.messages import JobCopy
from tests.integration.jobs.house import House, Launched, Term, held, until

SERVERS = ("s1", "s2", "s3")


async def fanned_out(house: House, term: Term, count: int = 3, **changes: Any) -> tuple[str, list[Launched]]:
    parent = await term.launch(await house.event(algo="multiplex", **changes))
    return parent, await children(house, parent, count)


async def children(house: House, parent: str, count: int) -> list[Launched]:
    def launched() -> list[Launched]:
        return [one for one in house.satellites.launched if one.job.get("workflow", {}).get("job") == parent]

    await until(lambda: len(launched()) >= count, f"{count} sub-jobs of {parent} are launched")
    return sorted(launched(), key=lambda one: one.server)


def join_all(house: House) -> None:
    for server in SERVERS:
        house.satellites.join(server)


async def test_a_parent_sums_up_one_job_on_each_server(house: House) -> None:
    join_all(house)
    house.satellites.join("s4", enabled=False)
    async with house.term() as term:
        parent, jobs = await fanned_out(house, term, input={"data": {"n": 1}})
        assert [one.server for one in jobs] == list(SERVERS)
        assert all(one.details["input"] == {"data": {"n": 1}} for one in jobs)
        doc = term.job(parent).job
        assert (doc["state"], doc["type"], doc["plugin"], "server" in doc) == (
            "active",
            "workflow",
            "_workflow",
            False,
        )
        for number, one in enumerate(jobs):
            term.result(one, code=0 if number else 7, data={"all": [number]})
        record = await term.ended(parent)
        assert (record["code"], record["description"]) == ("warning", "1 of 3 jobs failed.")
        assert sorted(record["data"]["all"]) == [0, 1, 2]
        stubs = record["workflow"]["jobs"][multiplex.NODE]
        assert sorted((stub["server"], stub["code"]) for stub in stubs) == [("s1", 7), ("s2", 0), ("s3", 0)]
        assert record["workflow"]["state"][multiplex.CONTROLLER]["count"] == 3
        assert "multiplex" not in record
        state = house.definitions.state.get(f"events/{record['event']}")
        assert (state["last_job"], state["total_count"]) == (parent, 1)


async def test_a_caller_that_waits_gets_the_parent(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent = await term.launch(await house.event(algo="multiplex"))
        waiting = asyncio.create_task(term.engine.wait_for(parent))
        for one in await children(house, parent, 3):
            term.result(one)
        async with asyncio.timeout(5):
            assert (await waiting)["code"] == 0


async def test_an_override_in_the_parameters_multiplexes_too(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        params = {"_xy_override_algo": "multiplex", "_xy_override_targets": "s1, s3"}
        parent = await term.launch(await house.event(), params=params)
        assert [one.server for one in await children(house, parent, 2)] == ["s1", "s3"]


async def test_without_a_server_the_parent_queues_or_ends(house: House) -> None:
    limits = [{"type": "job", "enabled": True, "amount": 1}, {"type": "queue", "enabled": True, "amount": 5}]
    async with house.term() as term:
        record = await term.ended(await term.launch(await house.event(algo="multiplex")))
        assert (record["code"], record["type"]) == ("abort", "workflow")
        parent = await term.launch(await house.event(algo="multiplex", limits=limits))
        await term.state(parent, "queued")
        join_all(house)
        await term.resumed("s1")
        assert len(await children(house, parent, 3)) == 3


async def test_a_retried_sub_job_is_counted_by_its_last_attempt(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        retry = {"type": "retry", "enabled": True, "amount": 1}
        parent, jobs = await fanned_out(house, term, limits=[retry])
        for one in jobs:
            term.result(one, code=1 if one.server == "s2" else 0)
        again = next(one for one in await children(house, parent, 4) if one.job.get("retry_prev"))
        assert again.server == "s2"
        assert parent in term.book
        term.result(again)
        record = await term.ended(parent)
        assert record["code"] == 0
        assert [stub.get("retried", False) for stub in record["workflow"]["jobs"][multiplex.NODE]].count(
            True
        ) == 1


async def test_an_abort_of_the_parent_ends_with_the_last_sub_job(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent, jobs = await fanned_out(house, term, stagger=0)
        term.result(jobs[0])
        await term.ended(jobs[0].id)
        term.engine.abort(parent, "No more.", SYSTEM)
        await until(lambda: len(house.satellites.aborted) == 2, "the others are aborted")
        assert parent in term.book
        for one in jobs[1:]:
            term.result(one, code="abort", description="No more.")
        record = await term.ended(parent)
        assert (record["code"], record["description"]) == ("abort", "No more.")
        assert len(record["workflow"]["jobs"][multiplex.NODE]) == 3


async def test_an_abort_before_the_sub_jobs_exist_leaves_none(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent = await term.launch(await house.event(algo="multiplex"))
        term.engine.abort(parent, "No more.", SYSTEM)
        record = await term.ended(parent)
        assert record["code"] == "abort"
        await until(lambda: len(term.book) == 0, "no sub-job is left")


async def test_staggered_sub_jobs_can_be_aborted_while_they_wait(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent, jobs = await fanned_out(house, term, count=1, stagger=600)
        delayed = [job for job in term.book if job.state == "start_delay"]
        assert len(delayed) == 2
        term.engine.abort(parent, "No more.", SYSTEM)
        term.result(jobs[0], code="abort")
        assert (await term.ended(parent))["code"] == "abort"


async def test_a_server_that_leaves_before_its_turn_ends_its_sub_job_as_aborted(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent, _ = await fanned_out(house, term, count=1, stagger=0.2)
        del house.satellites.online["s3"]
        for one in await children(house, parent, 2):
            term.result(one)
        record = await term.ended(parent)
        codes = {stub["server"]: stub["code"] for stub in record["workflow"]["jobs"][multiplex.NODE]}
        assert codes == {"s1": 0, "s2": 0, "s3": "abort"}


async def test_ephemeral_sub_jobs_leave_their_output_in_the_parent(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent = await term.launch(await house.event(algo="multiplex"), ephemeral=True)
        waiting = asyncio.create_task(term.engine.wait_for(parent))
        for one in await children(house, parent, 3):
            term.result(one, data={one.server: 1})
        async with asyncio.timeout(5):
            record = await waiting
        assert record["data"] == {"s1": 1, "s2": 1, "s3": 1}
        assert await house.archive.get(parent) is None


# Deaths


@pytest.mark.parametrize("step", ["before", "written"])
async def test_a_primary_that_dies_while_it_starts_the_sub_jobs_keeps_one_for_each_server(
    house: House, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fan-out is one step of the book: the next primary makes all of it, or finds all of it."""
    join_all(house)
    event = await house.event(algo="multiplex")
    async with house.term() as term:
        died = asyncio.Event()
        write = term.book.fan_out

        async def dying(*args: Any) -> None:
            if step == "written":
                await write(*args)
            died.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(term.book, "fan_out", dying)
        parent = await term.launch(event)
        await died.wait()
    async with house.term() as term:
        for server in SERVERS:
            await term.resumed(server)
        jobs = await children(house, parent, 3)
        assert sorted(one.id for one in jobs) == sorted(multiplex.child_id(parent, one) for one in SERVERS)
        for one in jobs:
            term.result(one)
        assert (await term.ended(parent))["code"] == 0
        assert len(house.satellites.launched) == 3


async def test_sub_jobs_that_end_while_nobody_counts_are_counted_from_the_archive(house: House) -> None:
    join_all(house)
    async with house.term() as term:
        parent, jobs = await fanned_out(house, term)
        monkey = term.engine._multiplexer
        monkey.left = lambda child: None  # type: ignore[method-assign] # it dies between settling and counting
        term.result(jobs[0], code=3, data={"a": 1})
        await term.ended(jobs[0].id)
    async with house.term() as term:
        for one in jobs[1:]:
            await term.resumed(one.server, held(one))
            term.result(one)
        record = await term.ended(parent)
        assert (record["code"], record["data"]) == ("warning", {"a": 1})
        assert len(record["workflow"]["jobs"][multiplex.NODE]) == 3


async def test_a_book_that_lost_the_fan_out_gives_no_server_a_second_sub_job(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis lost its last second with the conductor: satellites hold sub-jobs that the book has never seen."""
    join_all(house)
    async with house.term() as term:
        write, before = term.book.fan_out, {}

        async def remembered(parent: ActiveJob, jobs: Sequence[ActiveJob]) -> None:
            before.update(await house.redis.hgetall(house.names.job + parent.id))
            await write(parent, jobs)

        monkeypatch.setattr(term.book, "fan_out", remembered)
        parent, jobs = await fanned_out(house, term)
    for job_id in (parent, *(one.id for one in jobs)):
        await house.redis.srem(house.names.jobs, job_id)
        await house.redis.delete(house.names.job + job_id)
    await house.redis.hset(house.names.job + parent, mapping=before)
    await house.redis.sadd(house.names.jobs, parent)
    house.satellites.launched.clear()
    house.satellites.online.clear()
    house.satellites.expected = {one: {"id": one, "groups": ["main"], "enabled": True} for one in SERVERS}
    async with house.term() as term:
        for one in jobs:
            house.satellites.join(one.server)
            await term.resumed(one.server, held(one))
        for server, job_id, attempt in list(house.satellites.copies):
            one = next(known for known in jobs if known.id == job_id)
            copy = JobCopy(id=job_id, attempt=attempt, job=one.job, details=one.details)
            await term.engine.reports.adopt(server, copy, lambda: True)
        await term.state(parent, "active")
        for one in jobs:
            await term.state(one.id, "active")
            term.result(one)
        record = await term.ended(parent)
        assert sorted(stub["id"] for stub in record["workflow"]["jobs"][multiplex.NODE]) == sorted(
            one.id for one in jobs
        )
        assert {one.id for one in house.satellites.launched} <= {one.id for one in jobs}
