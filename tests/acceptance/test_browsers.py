"""Browsers on the websocket, with real processes. Contract satellite_protocol.md §10."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.agent import ACKNOWLEDGED, PASSWORD, Agent, Station
from tests.acceptance.jobs import start
from tests.acceptance.tab import Tab, tab
from tests.processes import ApiError, Client, eventually

LIMITED = "limited horse"

one_agent = pytest.mark.parametrize("subprotocol", [ACKNOWLEDGED], indirect=True)
"""What browsers see does not depend on the encoding of the satellites' wire."""


@pytest_asyncio.fixture
async def page(alone: Station) -> AsyncIterator[Tab]:
    """The administrator's tab."""
    async with tab(alone.conductor.url, "admin", PASSWORD) as open_tab:
        yield open_tab


@pytest_asyncio.fixture
async def ann(alone: Station, admin: Client) -> AsyncIterator[str]:
    """A user who may see the category `visible` and the group `main` alone."""
    account = {"username": "ann", "password": LIMITED, "full_name": "Ann", "email": "ann@example.com"}
    await admin.call("create_user", **account, categories=["visible"], groups=["main"])
    yield "ann"
    await admin.call("delete_user", username="ann")


async def test_a_change_is_told_as_one_element(page: Tab, admin: Client) -> None:
    tag = (await admin.call("create_tag", title="Heavy"))["tag"]
    single = await page.expect("single", lambda data: data["item"].get("id") == tag["id"])
    assert single == {"list": "tags", "item": tag}
    await admin.call("delete_tag", id=tag["id"])
    single = await page.expect("single", lambda data: bool(data.get("delete")))
    assert single == {"list": "tags", "item": {"id": tag["id"]}, "delete": True}
    row = await page.expect("activity", lambda data: data["action"] == "tag_delete")
    assert row["username"].startswith("k")
    await page.expect("cachebust")


@one_agent
async def test_a_second_connection_gets_everything(alone: Station, agent: Agent) -> None:
    async with tab(alone.conductor.url, "admin", PASSWORD, attempt=2) as page:
        everything = await page.expect("update")
    lists = {
        "servers", "serverCache", "groups", "categories", "events", "plugins", "monitors", "alerts", "activeAlerts",
        "channels", "web_hooks", "buckets", "secrets", "tags", "roles", "masters", "state", "stats", "socketNav",
        "activeJobs", "internalJobs", "numQueuedJobs",
    }  # fmt: skip
    assert lists <= everything.keys()
    assert agent.id in everything["servers"]
    assert all(key["key"] == "REDACTED" for key in everything["api_keys"])


@one_agent
@pytest.mark.parametrize("deltas", [False, True])
async def test_the_status_follows_a_job(alone: Station, agent: Agent, admin: Client, deltas: bool) -> None:
    async with tab(alone.conductor.url, "admin", PASSWORD, deltas=deltas) as page:
        first = await page.expect("status")
        assert {"epoch", "activeJobs", "numQueuedJobs", "internalJobs"} <= first.keys()
        job_id = await start(admin, "exit 0", targets=[agent.id])
        await agent.launched(job_id)
        key = "jobs" if deltas else "activeJobs"
        news = await page.expect("status", lambda data: job_id in data.get(key, {}))
        assert not {"input", "data", "files"} & news[key][job_id].keys()
        await agent.finish(job_id)
        news = await page.expect(
            "status", lambda data: data["jobsChanged"] and job_id not in data.get(key, {})
        )
        if deltas:
            assert news["gone"] == [job_id]
            quiet = await page.expect("status", lambda data: not data["jobsChanged"])
            assert quiet["jobs"] == {}
            assert "activeJobs" not in quiet


@one_agent
async def test_a_job_page_gets_output_and_end(page: Tab, agent: Agent, admin: Client) -> None:
    job_id = await start(admin, "exit 0", targets=[agent.id])
    await agent.launched(job_id)
    await page.shows(f"Job?id={job_id}&tab=log")
    await agent.log(job_id, "frame 15 döne\n")
    told = await page.expect("page_update", lambda data: data["page_cmd"] == "log_append")
    assert told["page_data"]["text"] == "frame 15 döne\n"
    assert told["loc"] == f"Job?id={job_id}&tab=log"
    await agent.update(job_id, progress=0.5)
    await page.expect("page_update", lambda data: data["page_data"].get("progress") == 0.5)
    await agent.note(job_id, "half way")
    await page.expect("page_update", lambda data: data["page_cmd"] == "meta_row")
    await agent.finish(job_id)
    await page.expect("page_update", lambda data: data["page_cmd"] == "job_completed")


@one_agent
async def test_a_limited_user_is_told_his_own_alone(
    alone: Station, page: Tab, agent: Agent, admin: Client, ann: str
) -> None:
    """Every message is filtered by the receiver's limits, page events and first lists too."""
    for category in ("visible", "hidden"):
        await admin.call("create_category", id=category, title=category)
    async with tab(alone.conductor.url, ann, LIMITED, attempt=2) as hers:
        lists = await hers.expect("update")
        assert [one["id"] for one in lists["categories"]] == ["visible"]
        assert all(set(one) == {"id", "title"} for one in lists["api_keys"])
        assert "api_keys" not in lists["state"]
        job_id = await start(admin, "exit 0", targets=[agent.id], category="hidden")
        await agent.launched(job_id)
        await hers.shows(f"Job?id={job_id}")
        await page.shows(f"Job?id={job_id}&tab=log")
        await agent.log(job_id, "confidential\n")
        await page.expect("page_update", lambda data: data["page_cmd"] == "log_append")
        await agent.finish(job_id)
        await page.expect("page_update", lambda data: data["page_cmd"] == "job_completed")
        await admin.call("update_category", id="hidden", title="Still hidden")
        await admin.call("update_category", id="visible", title="Seen")
        await hers.expect(
            "update", lambda data: [one["title"] for one in data.get("categories", ())] == ["Seen"]
        )
        statuses = [data for name, data in hers.unread if name == "status"]
        assert not any(job_id in data["activeJobs"] or data["numQueuedJobs"] for data in statuses)
        assert not {"page_update", "activity"} & {name for name, _ in hers.unread}
        assert "confidential" not in str(hers.unread)
        assert "Still hidden" not in str(hers.unread)
        with pytest.raises(ApiError) as refused:
            await hers.client.call("get_job", id=job_id)
        assert refused.value.code == "access"


async def test_new_rights_reach_open_sockets(alone: Station, admin: Client, ann: str) -> None:
    async with tab(alone.conductor.url, ann, LIMITED) as hers:
        await admin.call("update_user", username=ann, categories=[], groups=[], full_name="Ann Lee")
        assert (await hers.expect("self_update"))["user"]["full_name"] == "Ann Lee"
        assert "general" in [one["id"] for one in (await hers.expect("update"))["categories"]]
        stub = await hers.expect("single", lambda data: data["list"] == "users")
        assert stub["item"].keys() == {"username", "full_name", "icon", "roles"}


@pytest.mark.parametrize("way", ["logout_all", "password", "deactivated", "logout", "end_session"])
async def test_the_end_of_a_session_closes_its_socket_at_once(
    alone: Station, admin: Client, ann: str, way: str
) -> None:
    url = alone.conductor.url
    async with tab(url, ann, LIMITED) as hers, Client(url) as elsewhere:
        await elsewhere.login(ann, LIMITED)
        if way == "logout_all":
            await elsewhere.call("logout_all", password=LIMITED)
        elif way == "password":
            await admin.call("update_user", username=ann, new_password="another horse")
        elif way == "deactivated":
            await admin.call("update_user", username=ann, active=0)
        elif way == "end_session":
            rows = (await elsewhere.call("get_sessions"))["rows"]
            [other] = [row for row in rows if not row["current"]]
            await elsewhere.call("end_session", id=other["id"])
        else:
            async with hers.client.session.post(f"{url}/api/user/logout") as response:
                assert (await response.json())["code"] == 0
        await hers.expect("logout")
        await hers.closed()
        with pytest.raises(ApiError) as refused:
            await hers.client.call("get_tags")
        assert refused.value.code == "session"


async def test_a_page_that_does_not_read_holds_up_nobody(alone: Station, page: Tab, admin: Client) -> None:
    async with tab(alone.conductor.url, "admin", PASSWORD) as asleep:
        asleep.stop_reading()
        text = "x" * 200_000
        for number in range(110):
            await admin.call("create_tag", id=f"big{number}", title="Big", notes=text)
            await page.expect("single", lambda data, id=f"big{number}": data["item"].get("id") == id)
            page.unread.clear()
            if alone.log_lines("does not read"):
                break
        assert alone.log_lines("does not read")


async def refused(url: str, headers: dict[str, str]) -> dict[str, Any]:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        await socket.send_json({"cmd": "authenticate", "data": {"attempt": 1}})
        async with asyncio.timeout(15):
            frame = await socket.receive_json()
            while frame["cmd"] == "echo":  # the heartbeat may come first
                frame = await socket.receive_json()
        assert frame["cmd"] == "auth_failure"
        return dict(frame["data"])


async def test_only_a_cookie_from_our_own_pages_opens_a_socket(alone: Station, page: Tab) -> None:
    url = alone.conductor.url
    assert await refused(url, {}) == {"description": "No cookie found"}
    assert await refused(url, {"X-API-Key": alone.api_key}) == {"description": "No cookie found"}
    stranger = {"Cookie": f"session_id={'0' * 64}"}
    assert await refused(url, stranger) == {"description": "Session has expired or is invalid."}
    good = next(one.value for one in page.client.session.cookie_jar if one.key == "session_id")
    foreign = {"Cookie": f"session_id={good}", "Origin": "https://evil.example"}
    assert await refused(url, foreign) == {"description": "This page is not ours"}


@one_agent
async def test_rest_search_yaml_a_page_searches_the_files_of_jobs(
    page: Tab, agent: Agent, admin: Client
) -> None:
    """search_job_files: results come as page events of the page that asked (contract §10.3, §10.4)."""
    job_id = await start(admin, "exit 0", targets=[agent.id])
    await agent.launched(job_id)
    await agent.log(job_id, "one needle in a log\n")
    await agent.finish(job_id)

    async def archived() -> bool:
        return "completed" in (await admin.call("get_job", id=job_id))["job"]

    await eventually(archived, "the job is archived")
    await page.shows("Search?files=1")
    await page.send("search_job_files", {"match": "NEEDLE", "query": "*", "loc": "Search?files=1"})
    started = await page.expect("page_update", lambda data: data["page_cmd"] == "search_started")
    found = await page.expect("page_update", lambda data: data["page_cmd"] == "search_result")
    done = await page.expect("page_update", lambda data: data["page_cmd"] == "search_complete")
    assert started["loc"] == found["loc"] == done["loc"] == "Search?files=1"
    hit = found["page_data"]
    assert (hit["job"], hit["count"], hit["preview"]["matched"]) == (job_id, 1, "needle")
    assert (hit["preview"]["before"], hit["preview"]["after"]) == ("one ", " in a log\n")
    assert done["page_data"]["hit_max"] is False
