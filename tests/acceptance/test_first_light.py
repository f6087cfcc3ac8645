"""One conductor, one satellite: a job's life from the API call to the archived log, over plain HTTP."""

import shlex
from pathlib import Path

import psutil
import pytest

from tests.acceptance.jobs import active_ids, create_event, finished, get_job, live_log, start
from tests.processes import ApiError, Client, eventually


def _waits_for(file: Path) -> str:
    """Shell code that goes on when `file` exists."""
    return f"while [ ! -e {shlex.quote(str(file))} ]; do sleep 0.05; done"


async def test_a_job_runs_and_is_archived(client: Client) -> None:
    event_id = await create_event(client, 'echo "hello from $(uname)"; exit 0', title="Hello")
    job_id = (await client.call("run_event", id=event_id))["id"]

    job = await finished(client, job_id)

    assert (job["event"], job["state"], job["code"], job["final"]) == (event_id, "complete", 0, True)
    assert job["source"] == "key"
    assert job["completed"] >= job["started"]
    assert job["elapsed"] == pytest.approx(job["completed"] - job["started"], abs=0.01)
    assert job["log_file_size"] > len("hello from ")


async def test_waiting_for_a_run_returns_the_archived_record(client: Client) -> None:
    event_id = await create_event(client, "echo oops >&2; exit 3", title="Fails")
    answer = await client.call("run_event/v1/wait", id=event_id)
    assert (answer["job"]["final"], answer["job"]["code"]) == (True, 3)
    assert "3" in answer["job"]["description"]
    assert await get_job(client, answer["job"]["id"]) == answer["job"]


async def test_the_same_event_may_be_run_by_title_and_by_query_string(client: Client) -> None:
    await create_event(client, "echo titled", title="By its title")
    by_title = (await client.call("run_event/v1/wait", title="By its title"))["job"]
    assert by_title["code"] == 0
    body = await client.fetch("/api/app/run_event/v1", id=by_title["event"])
    assert b'"code":0' in body


async def test_the_archived_log_is_served_in_three_ways(client: Client) -> None:
    event_id = await create_event(client, "for i in 1 2 3; do echo line $i; done")
    job_id = (await client.call("run_event/v1/wait", id=event_id))["job"]["id"]
    token = (await client.call("get_job", id=job_id))["token"]

    assert await client.fetch("/api/app/get_job_log/v1", id=job_id) == b"line 1\nline 2\nline 3\n"

    # The two others are links for people without an account: the token alone opens them.
    async with Client(client.url) as anybody:
        assert await anybody.fetch("/api/app/view_job_log", id=job_id, t=token) == b"line 1\nline 2\nline 3\n"
        query = {"id": job_id, "t": token}
        async with anybody.session.get(f"{client.url}/api/app/download_job_log/v1", params=query) as response:
            assert await response.text() == "line 1\nline 2\nline 3\n"
            assert response.headers["Content-Disposition"].startswith("attachment")
            assert job_id in response.headers["Content-Disposition"]
        with pytest.raises(ApiError) as refused:
            await anybody.fetch("/api/app/view_job_log/v1", id=job_id, t="A" * 22)
        assert refused.value.status == 403


async def test_a_log_of_any_bytes_and_more_than_a_megabyte_arrives_whole(client: Client) -> None:
    line = "0123456789abcdef" * 8
    event_id = await create_event(client, rf"printf '\303\251\377\n'; yes {line} | head -n 20000")
    job = (await client.call("run_event/v1/wait", id=event_id, timeout=60.0))["job"]

    async def stored() -> bytes:
        return await client.fetch("/api/app/get_job_log/v1", id=job["id"])

    log = await eventually(stored, "the log is stored")
    assert log.endswith(f"{line}\n".encode() * 20000)
    assert len(log) == job["log_file_size"]


async def test_the_log_and_the_job_are_seen_while_it_runs(client: Client, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    job_id = await start(client, f"echo first; {_waits_for(go_on)}; echo second")

    assert await live_log(client, job_id, "first") == "first\n"
    assert job_id in await active_ids(client)
    assert (await get_job(client, job_id))["state"] == "active"
    go_on.touch()

    async def gone() -> bool:
        return job_id not in await active_ids(client)

    await eventually(gone, "the job leaves the active list")
    assert (await get_job(client, job_id))["final"], "it was archived before it left"
    assert await client.fetch("/api/app/get_job_log/v1", id=job_id) == b"first\nsecond\n"
    assert (await client.call("tail_live_job_log", id=job_id))["text"] == ""


async def test_a_stream_tells_a_running_job_from_start_to_end(client: Client, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    job_id = await start(client, f"echo 40%; {_waits_for(go_on)}; echo 80%")
    events = []
    async for event in client.stream(job_id, timeout=30):
        events.append(event)
        if event.data.get("progress") == 0.4:
            go_on.touch()

    names = [event.name for event in events]
    assert names == ["start", *["update"] * (len(events) - 2), "end"]
    updates = [event.data for event in events[1:-1]]
    assert all(update["xy"] == 1 for update in updates)
    assert (updates[0]["id"], updates[0]["started"]) == (job_id, (await get_job(client, job_id))["started"])
    assert sum("server" in update for update in updates) == 1
    last = updates[-1]
    assert (last["id"], last["code"]) == (job_id, 0)
    assert last["elapsed"] > 0
    assert last["completed"]


async def test_a_stream_of_a_finished_job_has_its_result_alone(client: Client) -> None:
    event_id = await create_event(client, "exit 0")
    job_id = (await client.call("run_event/v1/wait", id=event_id))["job"]["id"]
    events = [event async for event in client.stream(job_id, timeout=30)]
    assert [event.name for event in events] == ["start", "update", "end"]
    assert (events[1].data["id"], events[1].data["code"]) == (job_id, 0)


async def test_an_abort_ends_the_whole_process_tree(client: Client) -> None:
    tree = 'sh -c "sleep 600 & echo pid \\$!; wait" & echo "pid $!"; echo "pid $$"; echo ready; wait'
    job_id = await start(client, tree)
    log = await live_log(client, job_id, "ready")

    async def three() -> list[int]:
        lines = (await client.call("tail_live_job_log", id=job_id))["text"].splitlines()
        pids = [int(line.split()[1]) for line in lines if line.startswith("pid ")]
        return pids if len(pids) == 3 else []

    pids = await eventually(three, f"three processes are told in {log!r}")
    assert all(psutil.pid_exists(pid) for pid in pids)
    await client.call("abort_job", id=job_id)

    job = await finished(client, job_id)
    assert job["code"] == "abort"

    async def gone() -> bool:
        return not any(_alive(pid) for pid in pids)

    await eventually(gone, f"the processes {pids} are gone")


async def test_a_time_limit_aborts(client: Client) -> None:
    limits = [{"type": "time", "enabled": True, "duration": 1, "abort": True}]
    job_id = await start(client, "sleep 600", limits=limits)
    job = await finished(client, job_id)
    assert job["code"] == "abort"
    assert job["elapsed"] < 20


async def test_a_deleted_job_is_gone_with_its_log(client: Client) -> None:
    event_id = await create_event(client, "echo to be forgotten")
    job_id = (await client.call("run_event/v1/wait", id=event_id))["job"]["id"]
    await client.call("delete_job", id=job_id)
    with pytest.raises(ApiError) as missing:
        await get_job(client, job_id)
    assert (missing.value.status, missing.value.code) == (404, "notfound")
    with pytest.raises(ApiError) as twice:
        await client.call("delete_job", id=job_id)
    assert (twice.value.status, twice.value.code) == (400, "job")


async def test_an_active_job_is_not_deleted(client: Client, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    job_id = await start(client, _waits_for(go_on))
    with pytest.raises(ApiError) as refused:
        await client.call("delete_job", id=job_id)
    assert refused.value.code == "job"
    go_on.touch()
    assert (await finished(client, job_id))["code"] == 0


async def test_finished_jobs_are_found_newest_first(client: Client) -> None:
    event_id = await create_event(client, "exit 0", title="To be found")
    ran = [(await client.call("run_event/v1/wait", id=event_id))["job"]["id"] for _ in range(3)]
    answer = await client.call("search_jobs", query=f"event:{event_id}", limit=2)
    assert [row["id"] for row in answer["rows"]] == [ran[2], ran[1]]
    assert answer["list"]["length"] == 3
    everything = await client.call("search_jobs", query="*", limit=1000)
    assert set(ran) <= {row["id"] for row in everything["rows"]}


async def test_unknown_things_are_named(client: Client) -> None:
    for call, code in (("get_job", "notfound"), ("abort_job", "job"), ("run_event", "event")):
        with pytest.raises(ApiError) as refused:
            await client.call(call, id="nosuchthing")
        assert (refused.value.code, call) == (code, call)
        assert "nosuchthing" in refused.value.description or call == "abort_job"


def _alive(pid: int) -> bool:
    """Whether it runs: a zombie that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
