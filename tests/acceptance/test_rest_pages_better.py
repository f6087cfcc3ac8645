"""Holes of the original in the other pages, closed over plain HTTP; each test names its page."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.acceptance.agent import ACKNOWLEDGED, PASSWORD, Agent, Station
from tests.acceptance.tab import tab
from tests.processes import ApiError, Client, eventually

Json = dict[str, Any]

one_agent = pytest.mark.parametrize("subprotocol", [ACKNOWLEDGED], indirect=True)


@asynccontextmanager
async def key_of(client: Client, **fields: Any) -> AsyncIterator[Client]:
    made = await client.call("create_api_key", title="Key of a test", **fields)
    async with Client(client.url, made["plain_key"]) as caller:
        yield caller


async def raw(client: Client, path: str, **headers: str) -> tuple[int, Any, bytes]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(client.url + path, headers=headers) as response,
    ):
        return response.status, response.headers, await response.read()


async def test_rest_access_6_tokens_in_web_hooks_are_for_those_who_edit_them(admin: Client) -> None:
    """Over-broad reads: web hooks with their headers were visible to every login, also in their history."""
    hook = {
        "url": "https://user:pass@hooks.example/services/T0KEN?key=T0KEN",
        "headers": [{"name": "Authorization", "value": "Bearer T0KEN"}],
        "body": "T0KEN",
        "method": "POST",
    }
    await admin.call("create_web_hook", id="guarded", title="G", **hook)
    async with key_of(admin) as reader:
        for name, params in (
            ("get_web_hook", {"id": "guarded"}),
            ("get_web_hooks", {}),
            ("get_multiple", {"lists": ["web_hooks"]}),
            ("get_revisions", {"type": "web_hooks", "id": "guarded"}),
            ("search_revision_history", {"type": "web_hooks", "limit": 50}),
        ):
            assert "T0KEN" not in str(await reader.call(name, **params)), name
        seen = (await reader.call("get_web_hook", id="guarded"))["web_hook"]
        assert seen["url"] == "https://hooks.example/REDACTED"
        assert seen["headers"] == [{"name": "Authorization", "value": "REDACTED"}]
    async with key_of(admin, privileges={"edit_web_hooks": True}) as editor:
        seen = (await editor.call("get_web_hook", id="guarded"))["web_hook"]
        assert {key: seen[key] for key in hook} == hook


async def test_rest_admin_yaml_parameters_of_internal_jobs_are_for_administrators(
    alone: Station, admin: Client
) -> None:
    """They were broadcast to all users."""
    await admin.call(
        "create_user", username="eve", password="eve's own horse", full_name="E", email="e@x.org"
    )
    async with tab(alone.conductor.url, "eve", "eve's own horse") as page:
        await page.shows("Home")
        asked = "event:something-private"
        await admin.call("bulk_search_delete_jobs", query=asked)
        told = await page.expect("status", lambda data: "internalJobsChanged" in data)
        assert asked not in str(told)
        assert all("params" not in job for job in told["internalJobs"].values())


async def test_rest_alerts_yaml_who_is_limited_to_groups_manages_the_alerts_of_these(admin: Client) -> None:
    """The refusal was all or nothing."""
    await admin.call("create_group", id="alab", title="Lab", hostname_match="(?!)")
    privileges = {"create_alerts": True, "edit_alerts": True, "delete_alerts": True}
    alert = {"title": "A", "expression": "1 > 0", "message": "m"}
    async with key_of(admin, privileges=privileges, groups=["alab"]) as caller:
        for groups in ([], ["main"], ["alab", "main"]):
            with pytest.raises(ApiError, match="alert"):
                await caller.call("create_alert", **alert, groups=groups)
        own = (await caller.call("create_alert", **alert, groups=["alab"]))["alert"]["id"]
        await caller.call("update_alert", id=own, title="B")
        for groups in ([], ["main"]):
            with pytest.raises(ApiError, match="alert"):
                await caller.call("update_alert", id=own, groups=groups)
        others = (await admin.call("get_alerts"))["rows"][0]["id"]
        with pytest.raises(ApiError, match="alert"):
            await caller.call("update_alert", id=others, title="Taken")
        await caller.call("delete_alert", id=own)


async def test_rest_alerts_yaml_invocations_by_id_have_a_cap(admin: Client) -> None:
    with pytest.raises(ApiError):
        await admin.call("get_alert_invocations", ids=[f"a{number}" for number in range(1001)])


async def test_rest_groups_yaml_durations_of_watches_are_numbers(admin: Client) -> None:
    """A string duration was added as text (an endless watch), and "0" never cancelled."""
    before = asyncio.get_running_loop().time()
    for duration in ("60", "0"):
        url = f"{admin.url}/api/app/watch_group/v1?id=main&duration={duration}"
        async with admin.session.get(url, headers=admin._headers) as response:
            assert msgspec.json.decode(await response.read())["code"] == 0
        watched = (await admin.call("get_global_state"))["state"].get("watches", {}).get("groups", {})
        assert ("main" in watched) is (duration == "60")
        if watched:
            assert watched["main"] < 2**33
    assert asyncio.get_running_loop().time() - before < 30


async def test_rest_groups_yaml_watching_asks_for_a_living_account_and_counts(admin: Client) -> None:
    """watch_group verified neither that the account is active nor the key's rate."""
    made = await admin.call("create_api_key", title="K", max_per_sec=1, privileges={"create_snapshots": True})
    async with Client(admin.url, made["plain_key"]) as caller:
        codes = set()
        for _ in range(4):
            try:
                await caller.call("watch_group", id="main", duration=0)
            except ApiError as refused:
                codes.add(refused.code)
        assert codes == {"rate"}
        await admin.call("update_api_key", id=made["api_key"]["id"], active=0)
        with pytest.raises(ApiError, match="session"):
            await caller.call("watch_group", id="main", duration=0)


async def test_rest_misc_yaml_what_never_changes_can_be_kept(admin: Client) -> None:
    """config shipped everything on every page load, uncacheable."""
    _, headers, body = await raw(admin, "/api/app/config/v1?format=json")
    config = msgspec.json.decode(body)
    assert "no-store" in headers["Cache-Control"]
    status, headers, body = await raw(admin, config["static"])
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    static = msgspec.json.decode(body)["config"]
    assert static
    assert {key: config["config"][key] for key in static} == static
    _, _, body = await raw(admin, "/api/app/config/v1?format=json&static=0")
    assert not static.keys() & msgspec.json.decode(body)["config"].keys()


async def test_rest_misc_yaml_readiness_tells_of_the_stores(admin: Client) -> None:
    """No machine-readable readiness detail; code and master stay as they are."""
    _, _, body = await raw(admin, "/health")
    assert msgspec.json.decode(body) == {"code": 0, "master": True}
    _, _, body = await raw(admin, "/health/ready")
    ready = msgspec.json.decode(body)
    assert ready["checks"] == {"redis": True, "database": True}
    assert ready["jobs"] >= ready["queued"] >= 0


async def test_rest_multi_yaml_commands_are_logged_and_strangers_unheard(
    alone: Station, admin: Client
) -> None:
    """remove wrote no activity record; peers spoke by a static digest."""
    for words in (["nonsense"], [], "stop", [5]):
        with pytest.raises(ApiError, match="master"):
            await admin.call("master_command", host="nowhere", commands=words)
    with pytest.raises(ApiError, match="Unknown conductor"):
        await admin.call("master_command", host="nowhere", commands=["remove"])
    async with alone.agent("") as stranger:
        for cmd in ("master", "masterData", "masterCommand", "configOverrides", "standby"):
            await stranger.send(cmd, {"host": "evil", "commands": ["stop"]})
        await stranger.settled()
    assert (await admin.call("ping"))["code"] == 0
    assert list((await admin.call("get_servers"))["masters"]) != ["evil"]


async def test_rest_multi_yaml_releases_are_the_callers_own(admin: Client) -> None:
    """Release lists were cached publicly and fetched on the request path with up to 8 retries."""
    async with admin.session.get(
        f"{admin.url}/api/app/get_master_releases/v1", headers=admin._headers
    ) as response:
        assert response.headers["Cache-Control"].startswith("private")
        assert (await response.json())["releases"][0] == "latest"


@one_agent
async def test_rest_servers_yaml_one_rule_for_lists_and_single_servers(admin: Client, agent: Agent) -> None:
    """Servers without a group were hidden in lists and open by ID."""
    await admin.call("create_group", id="slab", title="Lab", hostname_match="(?!)")
    await admin.call("update_server", id=agent.id, groups=[], autoGroup=False)
    async with key_of(admin, groups=["slab"], privileges={"update_servers": True}) as caller:
        assert (await caller.call("get_active_servers"))["rows"] == []
        for name, params in (
            ("get_server", {}),
            ("get_active_server", {}),
            ("update_server", {"title": "X"}),
        ):
            with pytest.raises(ApiError, match="access"):
                await caller.call(name, id=agent.id, **params)


@one_agent
async def test_rest_servers_yaml_booleans_of_a_query_are_booleans(admin: Client, agent: Agent) -> None:
    """autoGroup=false in a query was true; a session's GET deleted servers."""
    url = f"{admin.url}/api/app/update_server/v1?id={agent.id}&autoGroup=false&title=By+query"
    async with admin.session.get(url, headers=admin._headers) as response:
        assert msgspec.json.decode(await response.read())["code"] in (0, "api")
    await admin.call("update_server", id=agent.id, autoGroup=False, groups=["main"])
    server = (await admin.call("get_active_server", id=agent.id))["server"]
    assert not server.get("autoGroup")
    async with Client(admin.url) as person:
        await person.login("admin", PASSWORD)
        async with person.session.get(
            f"{person.url}/api/app/delete_server/v1?id={agent.id}&history=false"
        ) as response:
            assert msgspec.json.decode(await response.read())["code"] != 0
    assert (await admin.call("get_active_server", id=agent.id))["server"]["id"] == agent.id


@one_agent
async def test_rest_servers_yaml_a_new_title_is_found_at_once(admin: Client, agent: Agent) -> None:
    """keywords were rebuilt on the next join alone."""
    await admin.call("update_server", id=agent.id, title="Zanzibar")

    async def found() -> bool:
        rows = (await admin.call("search_servers", query="zanzibar", limit=5))["rows"]
        return [row["id"] for row in rows] == [agent.id]

    await eventually(found, "the server is found by its title")


async def test_rest_servers_yaml_many_servers_are_taken_out_in_one_call(
    alone: Station, admin: Client
) -> None:
    """No bulk enable or drain operation."""
    async with alone.agent(ACKNOWLEDGED) as one, alone.agent(ACKNOWLEDGED) as two:
        for agent in (one, two):
            await agent.join()
        answer = await admin.call("enable_servers", enabled=False, ids=[one.id, "nosuch"])
        assert (answer["ids"], list(answer["refused"])) == ([one.id], ["nosuch"])
        answer = await admin.call("enable_servers", enabled=False, groups=["main"])
        assert {one.id, two.id} <= set(answer["ids"])
        for agent in (one, two):
            server = (await admin.call("get_active_server", id=agent.id))["server"]
            assert server["enabled"] is False
        await admin.call("enable_servers", enabled=True, groups=["main"])
        server = (await admin.call("get_active_server", id=two.id))["server"]
        assert server["enabled"] is True
    with pytest.raises(ApiError, match="No server was named"):
        await admin.call("enable_servers", enabled=True)
    async with key_of(admin) as reader:
        with pytest.raises(ApiError, match="access"):
            await reader.call("enable_servers", enabled=False, groups=["main"])


async def test_rest_categories_yaml_tickets_move_with_the_events(admin: Client) -> None:
    """Tickets kept the ID of a deleted category."""
    for id in ("tleaving", "tstaying"):
        await admin.call("create_category", id=id, title=id)
    ticket = (await admin.call("create_ticket", subject="T", category="tleaving"))["ticket"]["id"]
    await admin.call("delete_category", id="tleaving", move_to="tstaying")
    assert (await admin.call("get_ticket", id=ticket))["ticket"]["category"] == "tstaying"


async def test_rest_platform_9_a_disabled_bucket_takes_nothing(admin: Client) -> None:
    """Bucket `enabled` was ignored. Its content stays to be seen."""
    await admin.call("create_bucket", id="closed", title="C", data={"a": 1})
    await admin.call("update_bucket", id="closed", enabled=False)
    for name, more in (("write_bucket_data", {"data": {"a": 2}}), ("empty_bucket", {"data": True})):
        with pytest.raises(ApiError, match="disabled"):
            await admin.call(name, id="closed", **more)
    assert (await admin.call("get_bucket", id="closed"))["data"] == {"a": 1}
    await admin.call("update_bucket", id="closed", enabled=True)
    await admin.call("write_bucket_data", id="closed", data={"a": 2})
