"""Holes of the original in events, jobs and categories, closed over plain HTTP; each test names its point."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.acceptance.agent import ACKNOWLEDGED, Agent, Station, station
from tests.acceptance.jobs import create_event, finished, start
from tests.processes import ApiError, Client, eventually

Json = dict[str, Any]

one_agent = pytest.mark.parametrize("subprotocol", [ACKNOWLEDGED], indirect=True)
MANUAL = [{"type": "manual", "enabled": True}]


@asynccontextmanager
async def key_of(client: Client, **fields: Any) -> AsyncIterator[Client]:
    """A client whose key has these properties."""
    made = await client.call("create_api_key", title="Key of a test", **fields)
    async with Client(client.url, made["plain_key"]) as caller:
        yield caller


# Categories


async def test_rest_categories_yaml_colours_are_those_of_the_palette(admin: Client) -> None:
    for bad in ({"color": "octarine"}, {"color": 5}, {"icon": "<b>"}, {"icon": 5}):
        with pytest.raises(ApiError, match="api"):
            await admin.call("create_category", title="C", **bad)


async def test_rest_categories_yaml_a_limited_account_makes_the_category_that_it_may_see(
    admin: Client,
) -> None:
    """An automatic ID made create unusable for accounts that are limited to categories."""
    privileges = {"create_categories": True, "edit_categories": True}
    async with key_of(admin, privileges=privileges, categories=["own_one"]) as caller:
        with pytest.raises(ApiError, match="only one whose ID it has been given"):
            await caller.call("create_category", title="C")
        made = await caller.call("create_category", id="own_one", title="C")
        assert made["category"]["id"] == "own_one"


async def test_rest_categories_yaml_events_move_before_a_category_is_deleted(admin: Client) -> None:
    """No cascade or reassign option; what still names it is told."""
    for id in ("leaving", "staying"):
        await admin.call("create_category", id=id, title=id)
    event = await create_event(admin, "true", category="leaving")
    secret = await admin.call("create_secret", title="S", fields=[], categories=["leaving"])
    with pytest.raises(ApiError, match="category"):
        await admin.call("delete_category", id="leaving")
    answer = await admin.call("delete_category", id="leaving", move_to="staying")
    assert any(one["id"] == secret["secret"]["id"] for one in answer["references"])
    assert (await admin.call("get_event", id=event))["event"]["category"] == "staying"
    assert (await admin.call("get_secret", id=secret["secret"]["id"]))["secret"]["categories"] == []


# Events


async def test_rest_events_yaml_waiting_is_not_cut_off(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Plain idle sockets were cut after 30 s: here the limit is one second, and the job takes longer."""
    folder = tmp_path_factory.mktemp("w")
    async with (
        station(folder, OPSORBIT_WEBSERVER__TIMEOUT="1") as house,
        house.client() as client,
        house.agent(ACKNOWLEDGED) as agent,
    ):
        await agent.join()
        event = await create_event(client, "true", targets=[agent.id])
        waiting = asyncio.create_task(client.call("run_event/v1/wait", id=event))
        [job] = await eventually(lambda: active(client, event), "it runs")
        await agent.launched(job)
        await asyncio.sleep(1.5)  # the time that is to be outlasted
        await agent.finish(job)
        assert (await waiting)["job"]["id"] == job


async def active(client: Client, event: str) -> list[str]:
    rows = (await client.call("get_active_jobs"))["rows"]
    return [str(row["id"]) for row in rows if row["event"] == event]


async def test_rest_events_yaml_a_sparse_update_of_a_locked_event_is_harmless(admin: Client) -> None:
    """A sparse update without params, of an event whose plugin locks some, ended the conductor."""
    event = await create_event(admin, "true")
    privileges = {"edit_events": True, "create_events": True}
    async with key_of(admin, privileges=privileges) as caller:
        before = (await admin.call("get_event", id=event))["event"]["params"]
        await caller.call("update_event", id=event, title="Sparse")
        assert (await admin.call("get_event", id=event))["event"]["params"] == before
        with pytest.raises(ApiError, match="api"):
            await caller.call(
                "create_event",
                title="W",
                type="workflow",
                category="general",
                workflow={"nodes": [{"id": "n1", "type": "job", "x": 0, "y": 0}], "connections": []},
            )
    assert (await admin.call("ping"))["code"] == 0


async def test_rest_events_yaml_bad_targets_and_algorithms_are_refused_on_save(admin: Client) -> None:
    for bad in ({"algo": "nosuch"}, {"algo": 5}, {"targets": []}, {"targets": [5]}, {"targets": "main"}):
        with pytest.raises(ApiError, match="api"):
            await create_event(admin, "true", **bad)


async def test_rest_events_yaml_a_repeated_call_makes_no_second_job(admin: Client) -> None:
    limits = [
        {"type": "queue", "enabled": True, "amount": 9},
        {"type": "job", "enabled": True, "amount": 1},
    ]
    event = await create_event(admin, "true", targets=["nowhere"], limits=limits)
    url = f"{admin.url}/api/app/run_event/v1"
    seen = []
    for _ in range(2):
        headers = {**admin._headers, "Idempotency-Key": "once"}
        async with admin.session.post(url, json={"id": event}, headers=headers) as response:
            seen.append(await response.json())
    assert seen[0] == seen[1]


async def test_rest_events_yaml_who_names_a_deleted_event_is_told(admin: Client) -> None:
    """Deleting an event that actions or nodes reference left broken definitions, unsaid."""
    event = await create_event(admin, "true")
    action = {"enabled": True, "condition": "success", "type": "run_event", "event_id": event}
    other = await create_event(admin, "true", actions=[action])
    with pytest.raises(ApiError, match="event"):
        await admin.call("delete_event", id=event, if_unused=True)
    assert [one["id"] for one in (await admin.call("delete_event", id=event))["references"]] == [other]


async def test_rest_events_yaml_the_last_writer_does_not_win_unasked(admin: Client) -> None:
    event = await create_event(admin, "true")
    revision = (await admin.call("get_event", id=event))["event"]["revision"]
    await admin.call("update_event", id=event, notes="one", revision=revision)
    with pytest.raises(ApiError, match="event"):
        await admin.call("update_event", id=event, notes="two", revision=revision)


# Groups: what a limited caller may aim at


async def test_rest_groups_yaml_one_allowed_group_opens_no_others(admin: Client) -> None:
    """An event that targets an allowed group plus forbidden ones was fully usable: anybody could make one."""
    for id in ("lab", "prod"):
        await admin.call("create_group", id=id, title=id, hostname_match="(?!)")
    privileges = {"create_events": True, "edit_events": True, "run_jobs": True}
    async with key_of(admin, privileges=privileges, groups=["lab"]) as caller:
        for targets in (["lab", "prod"], ["lab", "s1"]):
            with pytest.raises(ApiError, match="access"):
                await create_event(caller, "true", targets=targets)
        own = await create_event(caller, "true", targets=["lab"])
        with pytest.raises(ApiError, match="access"):
            await caller.call("update_event", id=own, targets=["lab", "prod"])
        with pytest.raises(ApiError, match="access"):
            await caller.call("run_event", id=own, targets=["lab", "prod"])
        job = {"plugin": "shellplug", "category": "general", "params": {"script": "true"}}
        nodes = [{"id": "n1", "type": "job", "x": 0, "y": 0, "data": {**job, "targets": ["lab", "prod"]}}]
        with pytest.raises(ApiError, match="access"):
            await caller.call(
                "create_event",
                title="W",
                enabled=True,
                type="workflow",
                category="general",
                workflow={"nodes": nodes, "connections": []},
            )
        shared = await create_event(admin, "true", targets=["lab", "prod"])
        await caller.call("update_event", id=shared, notes="what is shared stays usable")


# Jobs


@one_agent
async def test_rest_jobs_yaml_a_result_needs_more_than_any_key_and_names_its_own_job(
    alone: Station, admin: Client, agent: Agent
) -> None:
    """finish_job accepted any valid API key with no privilege, and a failure was invisible."""
    first = await start(admin, "true", targets=[agent.id])
    await agent.launched(first)
    made = await admin.call("create_api_key", title="Weak")
    url = f"{admin.url}/api/app/finish_job"
    wrong: list[Json] = [
        {"id": first, "auth": made["plain_key"], "job": {"id": first, "code": 0}},
        {"id": first, "auth": admin._headers["X-API-Key"], "job": {"id": "another", "code": 0}},
        {"id": first, "auth": "nonsense", "job": {"id": first, "code": 0}},
    ]
    for body in wrong:
        async with admin.session.post(url, json=body) as response:
            assert msgspec.json.decode(await response.read())["code"] in ("auth", "access")
    assert (await admin.call("get_job", id=first))["job"]["state"] == "active"

    async def told() -> bool:
        rows = (await admin.call("search_activity", query="action:error", limit=20))["rows"]
        return any(f"A result of job {first} was refused" in row["description"] for row in rows)

    await eventually(told, "somebody hears of it")
    assert alone.log_lines("a result was refused", first)
    await agent.finish(first)
    await finished(admin, first)


@one_agent
async def test_rest_jobs_yaml_what_holds_a_running_job_together_cannot_be_changed(
    admin: Client, agent: Agent
) -> None:
    """update_job on an active job was unlogged and could break its state."""
    job = await start(admin, "true", targets=[agent.id])
    await agent.launched(job)
    for changes in ({"state": "complete"}, {"server": "x"}, {"limits": [5]}, {"tags": 5}):
        with pytest.raises(ApiError, match="job"):
            await admin.call("update_job", id=job, **changes)
    await admin.call("update_job", id=job, label="Corrected")

    async def logged() -> bool:
        return bool((await admin.call("search_activity", query=f"action:job_update keywords:{job}"))["rows"])

    await eventually(logged, "the change is in the activity log")
    await agent.finish(job)
    record = await finished(admin, job)
    assert record["label"] == "Corrected"
    assert any("updated" in row["msg"] for row in record["activity"])


@one_agent
async def test_rest_jobs_yaml_streams_and_lists_of_jobs_are_bounded(
    alone: Station, admin: Client, agent: Agent
) -> None:
    """get_jobs and stream_job are unbounded (ids count, streams per client)."""
    with pytest.raises(ApiError, match="Too many ids"):
        await admin.call("get_jobs", ids=[f"j{number}" for number in range(1001)])
    job = await start(admin, "true", targets=[agent.id])
    await agent.launched(job)
    url = f"{admin.url}/api/app/stream_job/v1?id={job}"
    async with (
        AsyncExitStack() as stack,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        opened = [
            await stack.enter_async_context(session.get(url, headers=admin._headers)) for _ in range(201)
        ]
        assert [one.status for one in opened] == [200] * 200 + [429]
    await agent.finish(job)
    await finished(admin, job)


@one_agent
async def test_rest_jobs_yaml_the_start_of_a_long_job_stays_in_its_meta_log(
    admin: Client, agent: Agent
) -> None:
    """Meta logs were capped by dropping the oldest; manage_job_tags copied all of it into the audit log."""
    job = await start(admin, "true", targets=[agent.id])
    await agent.launched(job)
    first = (await admin.call("get_job", id=job))["job"]["activity"][0]
    for number in range(1_010):
        await agent.note(job, f"row {number}")
    await agent.finish(job)
    rows = (await finished(admin, job))["activity"]
    assert len(rows) == 1000
    assert rows[0] == first
    assert "row 1009" in str(rows[-5:])
    await admin.call("manage_job_tags", id=job, tags=["important"])

    async def logged() -> list[Json]:
        found = await admin.call("search_activity", query=f"action:job_update_tags keywords:{job}")
        return list(found["rows"])

    [row] = await eventually(logged, "the change is in the activity log")
    assert "row 5" not in str(row)


async def test_rest_jobs_yaml_a_flushed_queue_leaves_nothing_in_memory(admin: Client) -> None:
    """flush_event_queue leaked job details and stranded parent workflows."""
    limits = [
        {"type": "queue", "enabled": True, "amount": 9},
        {"type": "job", "enabled": True, "amount": 1},
    ]
    event = await create_event(admin, "true", targets=["nowhere"], limits=limits)
    jobs = [(await admin.call("run_event", id=event))["id"] for _ in range(3)]
    await admin.call("flush_event_queue", id=event)
    for job in jobs[1:]:
        with pytest.raises(ApiError, match="notfound"):
            await admin.call("get_job", id=job)
    left = await active(admin, event)
    assert left in ([], jobs[:1])
    for job in left:
        await admin.call("abort_job", id=job)


async def test_rest_admin_yaml_no_job_starts_while_all_work_is_at_rest(admin: Client) -> None:
    """New manual runs were not blocked while an import waited for the end of the others."""
    event = await create_event(admin, "true", targets=["nowhere"])
    tags = [{"id": f"busy{number}", "title": f"T{number}"} for number in range(20_000)]
    lines = [{"cmd": "listPush", "args": ["global/tags", tags[at : at + 20]]} for at in range(0, 20_000, 20)]
    lines += [
        {"index": "activity", "id": f"b{n}", "record": {"action": "x", "epoch": n}} for n in range(9_000)
    ]
    form = aiohttp.FormData({"merge": "1"})
    body = io.BytesIO(b"\n".join(map(msgspec.json.encode, lines)))
    form.add_field("file", body, filename="x.txt")
    url = f"{admin.url}/api/app/admin_import_data/v1"
    async with admin.session.post(url, data=form, headers=admin._headers) as response:
        answer = msgspec.json.decode(await response.read())
    with pytest.raises(ApiError, match="No jobs can be started"):
        await admin.call("run_event", id=event)
    await admin.call("abort_internal_job", id=answer["id"])

    async def over() -> bool:
        return not (await admin.call("get_internal_jobs"))["rows"]

    await eventually(over, "it is taken back", 30)
    await admin.call("update_global_state", **{"scheduler.enabled": True})
    job = (await admin.call("run_event", id=event))["id"]
    assert job
    for id in await active(admin, event):
        await admin.call("abort_job", id=id)
