"""Holes of the original that are closed here, shown over plain HTTP; each test names its point."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from tests.acceptance.agent import PASSWORD, Station
from tests.processes import ApiError, Client, eventually

Json = dict[str, Any]


@asynccontextmanager
async def key_of(client: Client, **fields: Any) -> AsyncIterator[Client]:
    """A client whose key has these properties."""
    made = await client.call("create_api_key", title="Key of a test", **fields)
    async with Client(client.url, made["plain_key"]) as caller:
        yield caller


@pytest_asyncio.fixture
async def person(alone: Station) -> AsyncIterator[Client]:
    async with Client(alone.conductor.url) as client:
        await client.login("admin", PASSWORD)
        yield client


async def test_rest_readme_13_1_no_input_ends_the_conductor(admin: Client) -> None:
    for name, value in (("title", {"a": 1}), ("icon", 7), ("api_key", ["x"]), ("workflow", {"nodes": [{}]})):
        body: Json = {"title": "T", "type": "workflow", "category": "general", name: value}
        with pytest.raises(ApiError) as refused:
            await admin.call("create_event", **body)
        assert refused.value.status == 400
    assert (await admin.call("ping"))["code"] == 0


async def test_rest_readme_13_3_a_key_in_the_query_is_no_criterion(admin: Client) -> None:
    await admin.call("create_tag", id="criterion", title="C")
    key = admin._headers["X-API-Key"]
    async with aiohttp.ClientSession() as session:
        for name in ("get_events", "get_active_jobs", "get_tags"):
            url = f"{admin.url}/api/app/{name}/v1?api_key={key}&pretty=1"
            async with session.get(url) as response:
                found = msgspec.json.decode(await response.read())
            async with session.get(url.partition("?")[0], headers={"X-API-Key": key}) as response:
                assert msgspec.json.decode(await response.read()) == found


async def test_rest_readme_13_4_a_session_changes_nothing_by_get(admin: Client, person: Client) -> None:
    await admin.call("create_bucket", id="linked", title="L", data={"a": 1})
    for query in ("empty_bucket/v1?id=linked&data=1", "run_event/v1?id=x", "abort_job/v1?id=x"):
        async with person.session.get(f"{person.url}/api/app/{query}") as response:
            assert msgspec.json.decode(await response.read())["code"] != 0
    assert (await admin.call("get_bucket", id="linked"))["data"] == {"a": 1}


async def test_rest_readme_13_5_owners_fields_are_the_servers(admin: Client) -> None:
    await admin.call("create_tag", id="owned", title="T")
    before = (await admin.call("get_tag", id="owned"))["tag"]
    await admin.call("update_tag", id="owned", username="mallory", created=1, revision=before["revision"])
    after = (await admin.call("get_tag", id="owned"))["tag"]
    assert (after["username"], after["created"]) == (before["username"], before["created"])
    body = io.BytesIO(msgspec.json.encode({"id": "owned", "notes": "x" * 9_000_000}))
    headers = {**admin._headers, "Content-Type": "application/json"}
    url = f"{admin.url}/api/app/update_tag/v1"
    async with admin.session.post(url, data=body, headers=headers) as response:
        assert response.status == 400
    assert "notes" not in (await admin.call("get_tag", id="owned"))["tag"]


async def test_rest_readme_13_8_answers_are_kept_by_nobody(admin: Client) -> None:
    for name in ("get_events", "get_api_keys", "search_jobs", "nothing_at_all"):
        async with admin.session.get(f"{admin.url}/api/app/{name}/v1", headers=admin._headers) as response:
            assert response.headers["Cache-Control"].startswith("private, ")


async def test_rest_readme_13_10_an_older_revision_overwrites_nothing(admin: Client) -> None:
    await admin.call("create_tag", id="revised", title="One")
    await admin.call("update_tag", id="revised", title="Two", expected_revision=1)
    with pytest.raises(ApiError, match="Revision"):
        await admin.call("update_tag", id="revised", title="Three", expected_revision=1)
    assert (await admin.call("get_tag", id="revised"))["tag"]["title"] == "Two"


async def test_rest_access_5_nobody_grants_what_he_does_not_hold(admin: Client) -> None:
    """roles.yaml too: edit_roles was a way to administrator."""
    await admin.call("create_role", id="harmless", title="H", privileges={})
    async with key_of(admin, privileges={"create_roles": True, "edit_roles": True}) as caller:
        with pytest.raises(ApiError, match="access"):
            await caller.call("create_role", id="mint", title="M", privileges={"admin": True})
        with pytest.raises(ApiError, match="access"):
            await caller.call("update_role", id="harmless", privileges={"admin": True})


async def test_rest_access_8_names_that_read_alike_are_one(admin: Client) -> None:
    fields = {"email": "a@example.org", "full_name": "A", "password": "long enough 1"}
    await admin.call("create_user", username="a.b", **fields)
    for taken in ("ab", "A.B", "a-b"):
        with pytest.raises(ApiError, match=r"user_exists|taken|api"):
            await admin.call("create_user", username=taken, **fields)


async def test_rest_roles_yaml_a_role_that_comes_again_gives_nothing_back(admin: Client) -> None:
    await admin.call("create_role", id="gone", title="G", privileges={"create_tags": True})
    async with key_of(admin, roles=["gone"]) as caller:
        await caller.call("create_tag", id="by_role", title="T")
        await admin.call("delete_role", id="gone")
        await admin.call("create_role", id="gone", title="G", privileges={"create_tags": True})
        with pytest.raises(ApiError, match="access"):
            await caller.call("create_tag", id="by_role_2", title="T")


async def test_rest_api_keys_yaml_too_many_calls_are_told_when_to_come_again(admin: Client) -> None:
    async with key_of(admin, max_per_sec=1) as caller:
        url = f"{caller.url}/api/app/get_tags/v1"
        seen = []
        for _ in range(5):
            async with caller.session.get(url, headers=caller._headers) as response:
                seen.append((response.status, response.headers.get("Retry-After")))
    assert (429, "1") in seen


async def test_rest_plugins_yaml_a_plugin_is_no_way_to_root(admin: Client) -> None:
    """What runs as another user, or on the conductor, is an administrator's alone; types stay as they are."""
    async with key_of(admin, privileges={"create_plugins": True, "edit_plugins": True}) as caller:
        for fields in ({"type": "event", "uid": "root"}, {"type": "action"}, {"type": "scheduler"}):
            with pytest.raises(ApiError, match="administrators"):
                await caller.call("create_plugin", title="P", command="/bin/true", **fields)
    with pytest.raises(ApiError):
        await admin.call("update_plugin", id="shellplug", type="nonsense")


async def test_rest_tags_yaml_names_of_system_tags_are_reserved(admin: Client) -> None:
    with pytest.raises(ApiError, match="system"):
        await admin.call("create_tag", id="_success", title="S")


async def test_rest_search_yaml_pages_have_a_largest_size(admin: Client) -> None:
    for limit in (10**9, "many", -1):
        url = f"{admin.url}/api/app/search_activity/v1?query=*&limit={limit}"
        async with admin.session.get(url, headers=admin._headers) as response:
            answer = msgspec.json.decode(await response.read())
        assert response.status == 400 or len(answer["rows"]) <= 1000


async def test_rest_misc_yaml_echo_keeps_credentials_and_requests(admin: Client) -> None:
    url = f"{admin.url}/api/app/echo/v1?sleep=86400000"
    sent = {"Authorization": "Bearer s3cret", "Cookie": "session_id=s3cret"}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session,
        session.get(url, headers=sent) as response,
    ):
        assert b"s3cret" not in await response.read()


async def test_rest_multi_yaml_nobody_joins_the_cluster_by_a_guess(admin: Client) -> None:
    async with aiohttp.ClientSession() as session:
        url = f"{admin.url}/api/app/master_register"
        async with session.post(url, json={"host": "evil", "auth": "0" * 64}) as response:
            assert msgspec.json.decode(await response.read())["code"] != 0
    assert "evil" not in str(await admin.call("get_global_state"))


async def test_rest_channels_yaml_a_channel_can_be_tried_out(admin: Client) -> None:
    """No test endpoint in the original. All parts are told of; a failure has its report."""
    received: list[Json] = []

    async def take(request: web.Request) -> web.Response:
        received.append(await request.json())
        return web.Response(text="thanks")

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        body = '{"text":"{{text}}"}'
        await admin.call("create_web_hook", id="trial", title="T", url=url, method="POST", body=body)
        await admin.call("create_channel", id="trial", title="Pager", web_hook="trial")
        answer = await admin.call("test_channel", id="trial")
        assert answer["result"]["description"] == "Successfully notified channel: Pager"
        assert "test of a notification channel" in received[0]["text"]
        assert (await admin.call("dash_stats"))["stats"]["day"]["channels"]["trial"]["invocations"] == 1
    finally:
        await runner.cleanup()
    with pytest.raises(ApiError, match="Web Hook") as failed:
        await admin.call("test_channel", id="trial")
    assert failed.value.status == 200
    with pytest.raises(ApiError, match="not found"):
        await admin.call("test_channel", id="nothing")
    async with key_of(admin, privileges={"create_channels": True}) as caller:
        with pytest.raises(ApiError, match="access"):
            await caller.call("test_channel", id="trial")

    async def kept() -> list[Json]:
        found = await admin.call("search_web_hook_deliveries", query="web_hook:trial", limit=5)
        return [row for row in found["rows"] if row["result"] == "error"] and list(found["rows"])

    newest, oldest = await eventually(kept, "both deliveries are in their log")
    assert ("Success" in oldest["description"], oldest["url"]) == (True, url)
    assert newest["code"] == "webhook"
    async with key_of(admin) as reader:
        with pytest.raises(ApiError, match="access"):
            await reader.call("search_web_hook_deliveries")

    async def logged() -> bool:
        found = await admin.call("search_activity", query="action:channel_test", limit=5)
        return len(found["rows"]) == 2

    await eventually(logged, "both trials are in the activity log")
