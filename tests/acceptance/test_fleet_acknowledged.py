"""What `opsorbit.v1` alone has: acknowledged logs and results, and what is compared at a join."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from shared import ids
from tests.acceptance.agent import ACKNOWLEDGED, Agent, Station, ended
from tests.acceptance.jobs import active_ids, finished, get_job, live_log, start
from tests.processes import Client


@pytest.fixture
def subprotocol() -> str:
    return ACKNOWLEDGED


@pytest_asyncio.fixture
async def job_id(agent: Agent, admin: Client) -> AsyncIterator[str]:
    launched = await start(admin, "exit 0", targets=[agent.id])
    await agent.launched(launched)
    yield launched
    if launched in await active_ids(admin) and agent.is_open:
        await _chunk(agent, launched, 0, b"x" * 100)
        await _result(agent, launched, 0)
        await agent.expect("result_ack", id=launched)


async def _chunk(agent: Agent, job_id: str, offset: int, data: bytes, attempt: int = 1) -> None:
    await agent.send("job_log", {"id": job_id, "attempt": attempt, "offset": offset, "data": data})


async def _acked(agent: Agent, job_id: str, size: int, *, rewind: bool = False) -> None:
    ack = await agent.expect("log_ack", id=job_id, size=size, rewind=rewind)
    assert ack["attempt"] == 1


async def _result(agent: Agent, job_id: str, log_size: int, attempt: int = 1, **result: Any) -> None:
    message = {"id": job_id, "attempt": attempt, "log_size": log_size, "job": ended(job_id, **result)}
    await agent.send("job_result", message)


async def _log(client: Client, job_id: str) -> bytes:
    return await client.fetch("/api/app/get_job_log/v1", id=job_id)


def _held(job_id: str, state: str, *, attempt: int = 1, log_size: int = 0) -> dict[str, Any]:
    return {"id": job_id, "attempt": attempt, "state": state, "log_size": log_size}


async def test_chunks_are_acknowledged_with_what_is_stored(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 0, b"first\n")
    await _acked(agent, job_id, 6)
    await _chunk(agent, job_id, 6, b"second\n")
    await _acked(agent, job_id, 13)
    assert await live_log(admin, job_id, "second") == "first\nsecond\n"


async def test_bytes_that_come_twice_are_stored_once(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 0, b"0123456789")
    await _acked(agent, job_id, 10)
    await _chunk(agent, job_id, 0, b"0123456789")
    await _acked(agent, job_id, 10)
    await _chunk(agent, job_id, 2, b"234")
    await _acked(agent, job_id, 10)
    await _chunk(agent, job_id, 8, b"89abc")
    await _acked(agent, job_id, 13)
    await _result(agent, job_id, 13)
    await agent.expect("result_ack", id=job_id, attempt=1)
    assert await _log(admin, job_id) == b"0123456789abc"


async def test_a_gap_is_asked_for(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 0, b"01234")
    await _acked(agent, job_id, 5)
    await _chunk(agent, job_id, 9, b"9abc")
    await _acked(agent, job_id, 5, rewind=True)
    await _chunk(agent, job_id, 5, b"56789abc")
    await _acked(agent, job_id, 13)
    assert await live_log(admin, job_id, "c") == "0123456789abc"


async def test_an_empty_chunk_asks_for_the_size(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 7, b"")
    await _acked(agent, job_id, 0, rewind=True)


async def test_chunks_of_another_attempt_change_nothing(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 0, b"old\n", attempt=0)
    await _chunk(agent, job_id, 0, b"new\n", attempt=2)
    await agent.send("job_update", {"id": job_id, "attempt": 2, "update": {"progress": 0.5}})
    await _result(agent, job_id, 0, attempt=2, code=5)
    await agent.settled()
    assert (await get_job(admin, job_id))["progress"] == 0
    await _result(agent, job_id, 0)
    await agent.expect("result_ack", id=job_id)
    assert (await get_job(admin, job_id))["log_file_size"] == 0


async def test_a_result_waits_for_the_whole_log(agent: Agent, admin: Client, job_id: str) -> None:
    await _chunk(agent, job_id, 0, b"begin ")
    await _result(agent, job_id, 9, description="early")
    await _acked(agent, job_id, 6, rewind=True)
    await agent.settled()
    assert (await get_job(admin, job_id))["state"] == "active"
    assert not agent.unread("result_ack")
    await _chunk(agent, job_id, 6, b"end")
    await agent.expect("result_ack", id=job_id)
    job = await get_job(admin, job_id)
    assert (job["final"], job["description"], job["log_file_size"]) == (True, "early", 9)
    assert await _log(admin, job_id) == b"begin end"


async def test_a_result_that_waits_for_its_log_may_be_repeated_after_a_join(
    agent: Agent, admin: Client, job_id: str
) -> None:
    await _result(agent, job_id, 3)
    await _acked(agent, job_id, 0, rewind=True)
    await agent.rejoin([_held(job_id, "finished", log_size=3)])
    await _result(agent, job_id, 3)
    await _acked(agent, job_id, 0, rewind=True)
    await _chunk(agent, job_id, 0, b"log")
    await agent.expect("result_ack", id=job_id)
    assert await _log(admin, job_id) == b"log"


async def test_a_repeated_result_is_acknowledged_again(agent: Agent, admin: Client, job_id: str) -> None:
    await _result(agent, job_id, 0, code=3)
    await agent.expect("result_ack", id=job_id)
    once = await get_job(admin, job_id)
    for code in (3, 0):
        await _result(agent, job_id, 0, code=code)
        assert await agent.expect("result_ack", id=job_id) == {"id": job_id, "attempt": 1}
    assert await get_job(admin, job_id) == once


async def test_meta_rows_that_come_twice_are_kept_once(agent: Agent, admin: Client, job_id: str) -> None:
    rows = [{"id": ids.short_id("m"), "epoch": 1.5, "msg": f"row {number}"} for number in range(3)]
    await agent.send("job_update", {"id": job_id, "attempt": 1, "meta": rows[:2]})
    message = {"id": job_id, "attempt": 1, "log_size": 0, "job": ended(job_id), "meta": rows}
    await agent.send("job_result", message)
    await agent.expect("result_ack", id=job_id)
    job = await get_job(admin, job_id)
    assert [row["msg"] for row in job["activity"] if row["server"] == agent.id] == ["row 0", "row 1", "row 2"]


# What is compared at a join: the table of docs/satellite-wire.md, row by row


async def test_a_job_that_never_arrived_is_launched_again_as_the_same_attempt(
    agent: Agent, admin: Client, job_id: str
) -> None:
    await agent.rejoin([])
    launch = await agent.launched(job_id)
    assert launch["attempt"] == 1
    assert launch["job"]["id"] == job_id
    assert len((await admin.call("get_active_jobs", id=job_id))["rows"]) == 1


@pytest.mark.parametrize("state", ["taken", "running", "finished", "lost"])
async def test_a_job_that_is_held_goes_on(agent: Agent, admin: Client, job_id: str, state: str) -> None:
    await _chunk(agent, job_id, 0, b"before ")
    await _acked(agent, job_id, 7)
    await agent.rejoin([_held(job_id, state, log_size=7)])
    assert not agent.unread("launch_job", "abort_job", "result_ack", "send_copy")
    await _chunk(agent, job_id, 7, b"after")
    await _result(agent, job_id, 12, code="lost" if state == "lost" else 0)
    await agent.expect("result_ack", id=job_id)
    assert await _log(admin, job_id) == b"before after"


@pytest.mark.parametrize(
    ("state", "answer"),
    [
        ("finished", "result_ack"), ("lost", "result_ack"), ("taken", "abort_job"), ("running", "abort_job"),
    ],
)  # fmt: skip
async def test_an_archived_job_is_over(
    agent: Agent, admin: Client, job_id: str, state: str, answer: str
) -> None:
    await agent.finish(job_id)
    once = await get_job(admin, job_id)
    await agent.rejoin([_held(job_id, state)])
    assert (await agent.expect(answer, id=job_id))["attempt"] == 1
    if answer == "abort_job":
        await _result(agent, job_id, 0, code="abort")
        await agent.expect("result_ack", id=job_id)
    assert await get_job(admin, job_id) == once


@pytest.mark.parametrize(("state", "answer"), [("running", "abort_job"), ("finished", "result_ack")])
async def test_an_attempt_elsewhere_is_over(
    agent: Agent, alone: Station, admin: Client, job_id: str, state: str, answer: str
) -> None:
    async with alone.agent(ACKNOWLEDGED) as other:
        await other.join([_held(job_id, state)])
        await other.expect(answer, id=job_id)
    assert (await get_job(admin, job_id))["state"] == "active"


def _copy(job_id: str, server_id: str, **changes: Any) -> dict[str, Any]:
    job = {
        "id": job_id, "event": "elost", "category": "general", "plugin": "shellplug", "state": "active",
        "server": server_id, "started": 1_761_040_011.0, "params": {}, "limits": [], "actions": [], "tags": [],
        "progress": 0, "command": "/bin/sh", "source": "key", "targets": [server_id], "groups": ["main"], **changes,
    }  # fmt: skip
    return {"id": job_id, "attempt": 1, "job": job, "details": {"input": {"data": {"n": 1}}}}


@pytest.mark.parametrize("state", ["running", "finished", "lost", "taken"])
async def test_a_job_nobody_knows_is_adopted_and_ends_as_usual(
    agent: Agent, admin: Client, state: str
) -> None:
    job_id = ids.short_id("j")
    await agent.rejoin([_held(job_id, state, log_size=4)])
    assert await agent.expect("send_copy", id=job_id) == {"id": job_id, "attempt": 1}
    await agent.send("job_copy", _copy(job_id, agent.id))
    await _acked(agent, job_id, 0, rewind=True)
    job = await get_job(admin, job_id)
    assert (job["state"], job["recovered"], job["input"]) == ("active", True, {"data": {"n": 1}})
    await _chunk(agent, job_id, 0, b"log\n")
    await _result(agent, job_id, 4, description="survived")
    await agent.expect("result_ack", id=job_id)
    job = await get_job(admin, job_id)
    assert (job["final"], job["recovered"], job["description"]) == (True, True, "survived")
    assert await _log(admin, job_id) == b"log\n"


async def test_a_result_of_a_job_nobody_knows_asks_for_its_copy(agent: Agent, admin: Client) -> None:
    job_id = ids.short_id("j")
    await _result(agent, job_id, 0)
    await agent.expect("send_copy", id=job_id)
    await agent.send("job_copy", _copy(job_id, agent.id))
    await _acked(agent, job_id, 0, rewind=True)
    await _result(agent, job_id, 0)
    await agent.expect("result_ack", id=job_id)
    assert (await get_job(admin, job_id))["recovered"] is True


@pytest.mark.parametrize(
    "changes",
    [
        {"server": "sanother"},
        {"id": "janother"},
        {"server": None},
        {"started": "yesterday"},
        {"started": None},
        {"limits": 7},
        {"state": "queued"},
        {"state": None},
        {"state": "complete"},
        {"activity": 7, "tags": 3, "event": None, "targets": None},
    ],
)
async def test_a_copy_of_nonsense_is_refused_or_ends_as_usual(
    agent: Agent, admin: Client, changes: dict[str, Any]
) -> None:
    """A job that was adopted must be one that can be listed, watched and ended."""
    job_id = ids.short_id("j")
    await agent.send("job_copy", _copy(job_id, agent.id, **changes))
    await agent.settled()
    await admin.call("get_active_jobs")
    if job_id in await active_ids(admin):
        assert (await get_job(admin, job_id))["server"] == agent.id
        await _result(agent, job_id, 0)
        await agent.expect("result_ack", id=job_id, timeout=3)
        await finished(admin, job_id)


async def test_a_copy_nobody_asked_for_replaces_no_job(agent: Agent, admin: Client, job_id: str) -> None:
    before = await get_job(admin, job_id)
    await agent.send("job_copy", _copy(job_id, agent.id, event="another"))
    await agent.settled()
    assert await get_job(admin, job_id) == before
    await agent.finish(job_id)
    await agent.send("job_copy", _copy(job_id, agent.id))
    await agent.settled()
    assert job_id not in await active_ids(admin)


@pytest.mark.parametrize(
    "message",
    [
        {"offset": -1, "data": b"x"},
        {"offset": -(2**62), "data": b"x"},
        {"offset": 2**63, "data": b"x"},
        {"offset": 0, "data": "text"},
        {"offset": 0},
        {"offset": "0", "data": b"x"},
        {"offset": 0.5, "data": b"x"},
    ],
)
async def test_chunks_at_impossible_places_change_nothing(
    agent: Agent, admin: Client, job_id: str, message: dict[str, Any]
) -> None:
    await _chunk(agent, job_id, 0, b"0123")
    await _acked(agent, job_id, 4)
    await agent.send("job_log", {"id": job_id, "attempt": 1, **message})
    await _chunk(agent, job_id, 4, b"4")
    await _acked(agent, job_id, 5)
    assert await live_log(admin, job_id, "4") == "01234"


@pytest.mark.parametrize(
    "value",
    [
        msgspec.msgpack.Ext(5, b"x"),
        {None: 1},
        {(1, 2): 3},
        {True: 1},
        float("nan"),
        float("inf"),
        b"\xff\x00",
        {1: {2: 3}},
    ],
    ids=("extension", "null key", "tuple key", "boolean key", "nan", "infinity", "bytes", "numbers as keys"),
)
async def test_values_that_json_has_not_harm_nobody(
    agent: Agent, admin: Client, job_id: str, value: object
) -> None:
    content = {
        "perf": {"value": value},
        "data": {"value": value},
        "progress": value,
        "cpu": {"current": value},
    }
    await agent.send("job_update", {"id": job_id, "attempt": 1, "update": content})
    await agent.settled()
    assert 0 <= (await get_job(admin, job_id))["progress"] <= 1
    await admin.call("get_active_jobs")
    await _result(agent, job_id, 0, **content, table=value, code=value)
    await agent.expect("result_ack", id=job_id)
    job = await get_job(admin, job_id)
    assert job["code"] in ("unknown", 0) or value is None
