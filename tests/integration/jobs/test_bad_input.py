"""One job's bad content, a full disk or a slow Redis must cost no term, no other job, and no accepted job."""

import asyncio
import resource
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.jobs.livelog import LiveLogs
from conductor.live.job import ActiveJob
from shared.protocol.messages import HeldState, JobUpdate
from tests.integration.jobs.house import House, Term, held, until
from tests.processes import eventually

HUGE = 10**30
RUNS_OUT = {"type": "time", "enabled": True, "duration": 0.001}


async def ticked(term: Term) -> None:
    """The engine has looked at every job after now."""
    house = term.house
    other = await term.launch(await house.event(title="A healthy one"))
    for _ in range(2):
        before = len(term.job(other).details["activity"])
        term.job(other).set(state="active", limits=[dict(RUNS_OUT)], started=1.0)
        await until(lambda before=before: len(term.job(other).details["activity"]) > before, "a tick")  # type: ignore[misc]


@pytest.mark.parametrize(
    "changes",
    [
        {"limits": [{**RUNS_OUT, "tags": 5}]},
        {"limits": [{**RUNS_OUT, "tags": [["x"], {}]}]},
        {"limits": [{**RUNS_OUT, "date": None, "when": "x"}]},
        {"limits": [{"type": "mem", "enabled": True, "amount": 1, "duration": 0, "when": "yesterday"}]},
        {"limits": {"type": "time"}},
        {"limits": [7, None]},
        {"tags": 5},
        {"tags": [{}, ["x"]]},
        {"actions": "none"},
        {"fields": 5},
        {"input": "text"},
        {"targets": [["main"], 5, "main"]},
        {"params": {"n": HUGE}},
        {"complete": True, "server": "s9", "code": 3, "retry_count": "x", "state": "complete", "pid": 4},
        {"tickets": 5, "workflow": "x", "label": {"a": 1}, "icon": [1], "now": "x"},
    ],
    ids=lambda changes: "-".join(changes),
)
async def test_a_job_of_any_content_runs_and_ends(house: House, changes: dict[str, Any]) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch({**await house.event(), **changes}))
        term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update={"mem": {"current": 9}}))
        await ticked(term)
        term.result(launched)
        record = await term.ended(launched.id)
        assert (record["code"], record["server"]) == (0, "s1")
        assert not term.running.done()


@pytest.mark.parametrize(
    ("name", "value"),
    [("targets", 5), ("targets", {"a": 1}), ("targets", [[]]), ("tags", 5), ("tags", [{}]), ("expression", "(("),
     ("expression", ["x"]), ("algo", {}), ("label", ["x"]), ("notes", {"a": 1})],
)  # fmt: skip
async def test_an_override_of_a_wrong_type_is_refused(house: House, name: str, value: Any) -> None:
    async with house.term() as term:
        with pytest.raises(BadParameter, match=f"_xy_override_{name}"):
            await term.launch(await house.event(), params={f"_xy_override_{name}": value})
        assert len(term.book) == 0


async def test_overrides_may_be_texts(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        params = {
            "_xy_override_targets": "nowhere, s1",
            "_xy_override_priority": "0",
            "_xy_override_label": 5,
        }
        launched = await term.launched(await term.launch(await house.event(), params=params))
        job = launched.job
        assert (job["targets"], job["priority"], job["label"]) == (["nowhere", "s1"], False, "5")


@pytest.mark.parametrize(
    "report",
    [
        {"perf": {("a", "tuple"): 1}, "progress": 10**400},
        {"cpu": {"current": HUGE}, "mem": {"current": "x"}, "state": ["finishing"]},
        {"push": {"tags": [{}, 5, "x"]}, "state": {}},
        {"code": HUGE, "data": {"n": HUGE}},
        {"table": object, "html": {None: 1}},
    ],
)
async def test_whatever_a_satellite_reports_its_job_ends(house: House, report: dict[str, Any]) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        term.engine.reports.update("s1", JobUpdate(id=launched.id, attempt=1, update=report))
        term.result(launched, **report)
        await term.ended(launched.id)
        assert not term.running.done()


async def test_a_server_of_any_content_gets_its_jobs(house: House) -> None:
    house.satellites.join("s1", maxJobs="lots", info={"cpu": {"avgLoad": 10**400}, "memory": {}}, title=7)
    async with house.term() as term:
        for algo in ("least_cpu", "least_mem", "prefer_first", "fewest_jobs"):
            await term.launched(await term.launch(await house.event(algo=algo)))


async def test_a_broken_job_in_the_book_keeps_no_primary_from_its_office(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        launched = await term.launched(await term.launch(await house.event()))
        healthy = ActiveJob({"id": "jbroken", "event": "e", "state": "active"}, {})
        for job_id, doc in (("jrubbish", b"\xc1"), ("jempty", b""), ("jbroken", healthy.encoded_doc())):
            await house.redis.hset(house.names.job + job_id, mapping={"doc": doc, "live": b""})
            await house.redis.sadd(house.names.jobs, job_id)
    async with house.term() as term:
        assert [job.id for job in term.book] == [launched.id]
        await term.resumed("s1", held(launched))
        term.result(launched)
        await term.ended(launched.id)


async def test_a_key_that_cannot_be_sent_fails_its_own_caller(house: House) -> None:
    async with house.term() as term:
        event = await house.event()
        with pytest.raises(Unavailable):
            await term.launch(event, key="\udcff")
        assert await term.launch(event, key="good")
        assert not term.running.done()


# A Redis that refuses or does not answer


async def set_memory(house: House, limit: int) -> None:
    await house.redis.config_set("maxmemory", limit)


async def test_an_assigned_job_starts_once_the_book_can_be_written(house: House) -> None:
    house.satellites.expected = {"s1": {"id": "s1", "groups": ["main"], "enabled": True}}
    async with house.term() as term:
        job_id = await term.launch(await house.event())
        await set_memory(house, 1)
        try:
            with pytest.raises(Refusal):
                await term.launch(await house.event())
            house.satellites.join("s1")
            await term.resumed("s1")
            await until(lambda: term.job(job_id).server == "s1", "it is assigned")
            before = await refused_writes(house)

            async def tried_again() -> bool:
                return await refused_writes(house) > before + 1

            await eventually(tried_again, "the assignment is written again and refused again")
            assert house.satellites.launched == []
        finally:
            await set_memory(house, 0)
        launched = await term.launched(job_id)
        term.result(launched)
        await term.ended(job_id)
        assert len(house.satellites.launched) == 1


async def refused_writes(house: House) -> int:
    stats = (await house.redis.info("commandstats")).get("cmdstat_evalsha", {})
    return int(stats.get("failed_calls", 0)) + int(stats.get("rejected_calls", 0))


async def test_a_launch_that_was_given_up_is_not_promised(house: House) -> None:
    """Else its idempotency key would answer for a job that nobody runs."""
    house.satellites.join("s1")
    async with house.term() as term:
        event = await house.event()
        await house.redis.client_pause(300, all=False)
        launching = asyncio.create_task(term.launch(event, key="k"))
        for _ in range(100):
            await asyncio.sleep(0)  # it is written, and the answer is late
        launching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await launching
        job_id = await term.launch(event, key="k")
        launched = await term.launched(job_id)
        assert await house.redis.smembers(house.names.jobs) == {job_id.encode()}
        assert [one.id for one in house.satellites.launched] == [launched.id]


async def test_an_abort_that_was_lost_on_the_way_is_told_again(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        running, gone = [await term.launched(await term.launch(await house.event())) for _ in range(2)]
        for launched in (running, gone):
            term.engine.abort(launched.id, "No more.")
        house.satellites.aborted.clear()
        await term.resumed("s1", held(running, HeldState.RUNNING))
        assert house.satellites.aborted == [("s1", running.id, 1)]
        assert (await term.ended(gone.id))["code"] == "abort"
        assert len(house.satellites.launched) == 2


async def test_a_job_that_a_person_aborted_is_not_retried_for_its_limit(house: House) -> None:
    house.satellites.join("s1")
    async with house.term() as term:
        retry = {"type": "retry", "enabled": True, "amount": 5}
        launched = await term.launched(await term.launch(await house.event(limits=[retry])))
        term.engine.abort(launched.id, "No more.")
        term.engine.abort(launched.id, "Too long.", retry_ok=True)
        term.result(launched, code="abort")
        assert "retried" not in await term.ended(launched.id)


# A full disk


@pytest.fixture
def small_files() -> Iterator[int]:
    """No file can be longer than this."""
    size = 1024**2
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield size
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, ignored)


def test_a_log_that_the_disk_does_not_take_is_kept_and_not_acknowledged(
    tmp_path: Any, small_files: int
) -> None:
    logs = LiveLogs(tmp_path)
    first, second = b"1" * (small_files - 8), b"2" * 16
    logs.append("j1", first)
    assert logs.flush() in ({}, {"j1": len(first)})
    assert logs.size("j1") == len(first)
    logs.append("j1", second)
    assert logs.flush() == {}
    assert logs.read("j1") == first + second
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert logs.flush() == {"j1": small_files + 8}
    assert (tmp_path / "j1.log").read_bytes() == first + second
