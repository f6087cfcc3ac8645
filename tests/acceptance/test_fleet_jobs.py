"""A job's life as a satellite sees and tells it (satellite_protocol.md §4, §5; jobs.md §11, §14), in both protocols."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio

from tests.acceptance.agent import Agent, Station
from tests.acceptance.jobs import active_ids, finished, get_job, live_log, start
from tests.processes import ApiError, Client, eventually


@pytest_asyncio.fixture
async def job_id(agent: Agent, admin: Client) -> AsyncIterator[str]:
    """A job that was launched on the agent."""
    launched = await run_on(agent, admin)
    yield launched
    if launched in await active_ids(admin):
        await admin.call("abort_job", id=launched)
        if agent.is_open:
            await agent.finish(launched, code="abort")


async def run_on(agent: Agent, admin: Client, **changes: Any) -> str:
    job_id = await start(admin, "exit 0", targets=[agent.id], **changes)
    await agent.launched(job_id)
    return job_id


async def shows(client: Client, job_id: str, **values: Any) -> dict[str, Any]:
    """The job once it has these values."""

    async def look() -> dict[str, Any] | None:
        job = await get_job(client, job_id)
        return job if all(job.get(key) == value for key, value in values.items()) else None

    return await eventually(look, f"job {job_id} shows {values}") or {}


def messages(job: dict[str, Any], server_id: str) -> list[str]:
    """Texts of the meta rows that a server has told."""
    return [row["msg"] for row in job["activity"] if row["server"] == server_id]


async def test_a_launch_carries_all_that_an_agent_needs(agent: Agent, admin: Client) -> None:
    limits = [{"type": "log", "enabled": True, "amount": 1_000_000}]
    job_id = await start(admin, "echo hi", targets=[agent.id], limits=limits)
    launch = await agent.expect("launch_job")
    assert set(launch) - {"attempt"} == {"job", "details", "sec"}
    job, details = launch["job"], launch["details"]
    assert (job["id"], job["state"], job["server"]) == (job_id, "active", agent.id)
    assert isinstance(job["command"], str)
    assert job["command"]
    assert (job["plugin"], job["kill"]) == ("shellplug", "all")
    assert job["params"]["script"] == "#!/bin/sh\necho hi\n"
    assert [limit["amount"] for limit in job["limits"] if limit["type"] == "log"] == [1_000_000]
    assert job["groups"] == ["main"]
    assert {"started", "now", "updated", "progress", "env", "uid", "gid", "script"} <= set(job)
    assert details["serverData"] == {}
    assert details["versions"]["xysat"] == "1.0.39"
    assert details["versions"]["xyops"]
    assert all({"id", "epoch", "msg", "server"} <= set(row) for row in details["activity"])
    assert launch["sec"] == {}
    assert launch["attempt"] == 1
    agent.attempts[job_id] = launch.get("attempt", 1)
    await agent.finish(job_id)


async def test_a_job_is_followed_from_launch_to_archive(agent: Agent, admin: Client, job_id: str) -> None:
    await agent.note(job_id, "Spawned child process: PID 41822")
    await agent.log(job_id, "frame 1\nfra")
    await agent.log(job_id, "me 2 é\n")
    assert await live_log(admin, job_id, "frame 2") == "frame 1\nframe 2 é\n"
    await agent.update(job_id, progress=0.35, status="Frame 14 of 40", pid=41822, perf={"render": 12.4})
    job = await shows(admin, job_id, progress=0.35, status="Frame 14 of 40", pid=41822, remote=True)
    assert messages(job, agent.id) == ["Spawned child process: PID 41822"]
    await agent.update(job_id, state="finishing")
    assert (await shows(admin, job_id, state="finishing"))["progress"] == 0.35

    await agent.finish(
        job_id, code=0, description="Rendered 40 frames", perf={"render": 91.2}, data={"frames": 40}
    )

    job = await get_job(admin, job_id)
    assert job["final"], "a confirmed result is archived"
    assert (job["state"], job["code"], job["description"]) == ("complete", 0, "Rendered 40 frames")
    assert (job["perf"], job["data"], job["pid"]) == ({"render": 91.2}, {"frames": 40}, 41822)
    assert (job["progress"], job["server"], job["groups"]) == (1, agent.id, ["main"])
    assert not {"remote", "status", "redraw", "procs", "conns"} & set(job)
    assert job["log_file_size"] == len("frame 1\nframe 2 é\n".encode())
    assert messages(job, agent.id) == ["Spawned child process: PID 41822"]
    assert await admin.fetch("/api/app/get_job_log/v1", id=job_id) == "frame 1\nframe 2 é\n".encode()
    assert job_id not in await active_ids(admin)


FORBIDDEN = {
    "event": "another", "category": "another", "plugin": "another", "server": "another", "groups": ["x"],
    "source": "x", "username": "x", "type": "workflow", "workflow": {"x": 1}, "command": "x", "script": "x",
    "uid": "root", "gid": "root", "kill": "none", "env": {"x": "1"}, "params": {"x": 1}, "targets": ["x"],
    "limits": [], "actions": [{"enabled": True}], "tags": ["x"], "activity": [], "log_file_size": 7,
    "started": 1, "now": 1, "retry_count": 9, "retry_prev": "x", "input": {"data": {}}, "final": True,
    "elapsed": 1e9, "completed": 5, "remote": 7, "updated": 7, "parent": "x", "ephemeral": True,
    "no_such_key": 1, "recovered": True,
}  # fmt: skip


async def test_what_is_not_a_satellites_to_say_is_dropped(agent: Agent, admin: Client, job_id: str) -> None:
    before = await get_job(admin, job_id)
    await agent.update(job_id, progress=0.5, **FORBIDDEN)
    job = await shows(admin, job_id, progress=0.5)
    live = {"updated", "progress", "elapsed"}
    assert {key: value for key, value in job.items() if key not in live} == {
        key: value for key, value in before.items() if key not in live
    }
    assert job["updated"] > 7

    await agent.finish(job_id, **FORBIDDEN)
    job = await finished(admin, job_id)
    own = {"final", "elapsed", "completed", "tags", "activity", "log_file_size", "remote", "updated"}
    for key in FORBIDDEN.keys() - own:
        assert job.get(key) == before.get(key), key
    assert job["completed"] > 5
    assert job["elapsed"] < 1e8
    assert job["log_file_size"] == 0
    assert "x" not in job["tags"]


async def test_a_job_ends_by_its_result_alone(agent: Agent, admin: Client, job_id: str) -> None:
    await agent.update(job_id, code=1, complete=True, description="on its way", progress=0.9)
    job = await shows(admin, job_id, progress=0.9)
    assert job["state"] == "active"
    assert not job.get("complete")
    assert "code" not in job


async def test_pushed_tags_are_added(agent: Agent, admin: Client, job_id: str) -> None:
    await agent.update(job_id, push={"tags": ["flag"], "limits": [{"type": "time"}], "no_such": [1]})
    await agent.finish(job_id, push={"tags": ["important", "flag", "unheard_of"]})
    tags = (await finished(admin, job_id))["tags"]
    assert [tag for tag in tags if not tag.startswith("_")] == ["flag", "important"]


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (0, 0), (None, 0), ("", 0), (False, 0), (3, 3), (-1, -1), ("abort", "abort"), ("SIGKILL", "sigkill"),
        ("Out of Memory!", "out_of_memory_"), (True, "unknown"), ([1], "unknown"), ({"a": 1}, "unknown"), (2.5, 2.5),
    ],
)  # fmt: skip
async def test_result_codes_are_normal(
    agent: Agent, admin: Client, job_id: str, told: object, kept: object
) -> None:
    await agent.finish(job_id, code=told, description="as told")
    job = await finished(admin, job_id)
    assert (job["code"], job["description"]) == (kept, "as told")
    assert ("_error" in job["tags"]) is (kept != 0)


@pytest.mark.parametrize(
    "result",
    [
        {"progress": "much", "status": [1], "description": {"a": 1}, "label": None, "cpu": [1], "mem": "big"},
        {"data": "text", "files": {"a": 1}, "serverData": 7, "workflowData": [], "push": [1], "procs": 3},
        {"perf": [[1]], "table": "x", "html": 5, "markdown": None, "text": {"a": 1}, "retry_ok": "maybe"},
        {"push": {"tags": "heavy"}, "files": [None, 3, {"path": ["../../etc/passwd"]}]},
        {"cpu": {"current": "high"}, "mem": {"current": None, "max": {}}, "update_event": [1], "conns": {}},
        {"label": "zero \x00 byte", "description": "\x00", "perf": {"\x00": "\x00"}, "code": "\x00"},
    ],
)
async def test_values_of_impossible_types_harm_nobody(
    agent: Agent, admin: Client, job_id: str, result: dict[str, Any]
) -> None:
    await agent.update(job_id, **result)
    await agent.settled()
    await get_job(admin, job_id)
    await admin.call("get_active_jobs")
    await agent.finish(job_id, **result)
    job = await finished(admin, job_id)
    assert 0 <= job["progress"] <= 1
    found = await admin.call("search_jobs", query=f"event:{job['event']}", verbose=True)
    assert [row["id"] for row in found["rows"]] == [job_id]


async def test_an_abort_reaches_the_satellite_and_ends_by_its_report(
    agent: Agent, admin: Client, job_id: str
) -> None:
    await admin.call("abort_job", id=job_id)
    order = await agent.expect("abort_job")
    assert order["id"] == job_id
    assert order["reason"].startswith("Manually aborted by ")
    assert job_id in await active_ids(admin), "it ends when the satellite says so"
    await agent.finish(job_id, code="abort", description=order["reason"])
    job = await finished(admin, job_id)
    assert (job["code"], job["description"]) == ("abort", order["reason"])


async def test_a_satellite_touches_only_jobs_launched_on_it(
    agent: Agent, alone: Station, admin: Client, job_id: str
) -> None:
    await agent.log(job_id, "mine\n")
    assert await live_log(admin, job_id, "mine") == "mine\n"

    async def counted() -> dict[str, Any] | None:
        job = await get_job(admin, job_id)
        return job if job["log_file_size"] == len("mine\n") else None

    before = await eventually(counted, "its output is counted")
    async with alone.agent(agent.subprotocol) as stranger:
        await stranger.join()
        await stranger.log(job_id, "not mine\n")
        await stranger.note(job_id, "not mine")
        await stranger.update(job_id, progress=0.9, status="not mine")
        if stranger.acknowledged:
            await stranger.send_result(job_id, code=7)
            await stranger.send("resume", {"jobs": [held(job_id, "running")]})
            await stranger.expect("abort_job", id=job_id)
        else:
            await stranger.update(job_id, state="complete", complete=True, code=7)
            body = {"id": job_id, "server": stranger.id, "auth": stranger.token, "job": {"code": 7}}
            assert (await stranger.finish_job(body))[0] == 200
        await stranger.settled()
    assert await get_job(admin, job_id) == before
    assert (await admin.call("tail_live_job_log", id=job_id))["text"] == "mine\n"
    await agent.finish(job_id)
    assert (await finished(admin, job_id))["code"] == 0


def held(job_id: str, state: str, log_size: int = 0) -> dict[str, Any]:
    """A line of `resume`."""
    return {"id": job_id, "attempt": 1, "state": state, "log_size": log_size}


async def test_a_job_outlives_its_satellites_connection(agent: Agent, admin: Client, job_id: str) -> None:
    await agent.log(job_id, "before\n")
    await agent.settled()
    await agent.leave()
    job = await shows(admin, job_id, remote=False)
    assert f"Lost connection to remote server: {agent.hostname} (127.0.0.1)" in [
        row["msg"] for row in job["activity"]
    ]
    await agent.open()
    await agent.join([held(job_id, "running", len("before\n"))])
    await agent.update(job_id, reconnected=1_761_040_011, progress=0.6)
    await agent.log(job_id, "after\n")
    assert (await shows(admin, job_id, remote=True, progress=0.6))["state"] == "active"
    assert await live_log(admin, job_id, "after") == "before\nafter\n"
    await agent.finish(job_id)
    assert await admin.fetch("/api/app/get_job_log/v1", id=job_id) == b"before\nafter\n"
    assert not agent.unread("launch_job", "abort_job")


class TestLateResult:
    """The job was archived as aborted while its satellite was away (jobs.md §11, satellite_protocol.md §6.2)."""

    @pytest_asyncio.fixture
    async def aborted(self, agent: Agent, admin: Client) -> str:
        job_id = await run_on(agent, admin)
        await agent.leave()
        await shows(admin, job_id, remote=False)
        await admin.call("abort_job", id=job_id)
        assert (await finished(admin, job_id))["code"] == "abort"
        await agent.open()
        return job_id

    async def test_it_makes_the_abort_a_warning(self, agent: Agent, admin: Client, aborted: str) -> None:
        before = await finished(admin, aborted)
        await agent.join([held(aborted, "finished")])
        await agent.finish(aborted, code=0, description="Done after all", perf={"render": 3}, data={"n": 1})

        job = await get_job(admin, aborted)
        text = "Job was aborted, but received late update after completion."
        assert (job["code"], job["description"]) == ("warning", text)
        assert (job["perf"], job["data"]) == ({"render": 3}, {"n": 1})
        warning = "WARNING: Received final job update post-completion."
        assert [row["msg"] for row in job["activity"]].count(warning) == 1
        for key in ("id", "event", "started", "completed", "elapsed", "server", "tags", "final", "state"):
            assert job[key] == before[key]
        found = await admin.call("search_jobs", query=f"event:{job['event']} code:warning")
        assert [row["id"] for row in found["rows"]] == [aborted]

    async def test_told_again_it_changes_nothing_more(
        self, agent: Agent, admin: Client, aborted: str
    ) -> None:
        await agent.join([held(aborted, "finished")])
        await agent.finish(aborted)
        once = await get_job(admin, aborted)
        await agent.finish(aborted)
        await agent.rejoin([held(aborted, "finished")])
        await agent.finish(aborted)
        assert await get_job(admin, aborted) == once

    async def test_an_abort_that_is_confirmed_late_stays_one(
        self, agent: Agent, admin: Client, aborted: str
    ) -> None:
        before = await get_job(admin, aborted)
        await agent.join([held(aborted, "finished")])
        await agent.finish(aborted, code="abort", description="killed")
        assert await get_job(admin, aborted) == before

    async def test_it_is_taken_of_the_jobs_own_server_alone(
        self, agent: Agent, alone: Station, admin: Client, aborted: str
    ) -> None:
        before = await get_job(admin, aborted)
        async with alone.agent(agent.subprotocol) as stranger:
            await stranger.join()
            await stranger.finish(aborted, code=0)
        assert await get_job(admin, aborted) == before

    async def test_what_a_satellite_may_not_say_is_dropped_then_too(
        self, agent: Agent, admin: Client, aborted: str
    ) -> None:
        before = await get_job(admin, aborted)
        await agent.join([held(aborted, "finished")])
        await agent.finish(aborted, **FORBIDDEN)
        job = await get_job(admin, aborted)
        changed = {"code", "description", "activity"}
        assert {key: value for key, value in job.items() if key not in changed} == {
            key: value for key, value in before.items() if key not in changed
        }

    async def test_the_end_of_another_job_is_not_changed(self, agent: Agent, admin: Client) -> None:
        job_id = await run_on(agent, admin)
        await agent.finish(job_id, code=3, description="failed")
        before = await get_job(admin, job_id)
        await agent.finish(job_id, code=0)
        assert await get_job(admin, job_id) == before

    async def test_it_may_come_while_the_abort_is_archived(self, agent: Agent, admin: Client) -> None:
        """Whichever of the two is first, the result is confirmed and the books show one end."""
        job_id = await run_on(agent, admin)
        await agent.settled()

        async def abort() -> None:
            with suppress(ApiError):  # the job may have ended before
                await admin.call("abort_job", id=job_id)

        await asyncio.gather(abort(), agent.finish(job_id, code=0))
        assert (await finished(admin, job_id))["code"] in (0, "warning")
