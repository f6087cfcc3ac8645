"""Servers as people change them: groups, labels, user data, deletion (contract api/servers.yaml)."""

import contextlib
from typing import Any

import pytest

from tests.acceptance.agent import Agent, Station, server_of, station
from tests.acceptance.test_alerts import DATA, send_sample
from tests.processes import ApiError, Client, eventually

Json = dict[str, Any]


async def server(client: Client, agent: Agent) -> Json:
    record = await server_of(client, agent)
    assert record is not None
    return record


async def group(client: Client, pattern: str, **properties: Any) -> str:
    made = await client.call("create_group", title=f"Hosts {pattern}", hostname_match=pattern, **properties)
    return str(made["group"]["id"])


async def test_groups_follow_the_hostname_until_they_are_set_by_hand(agent: Agent, admin: Client) -> None:
    own = await group(admin, f"^{agent.hostname}$")
    told = await agent.expect("update")
    assert own in told["groups"]
    await admin.call("update_server", id=agent.id, autoGroup=False, groups=["main", "nowhere"])
    record = await server(admin, agent)
    assert (record["groups"], record["autoGroup"]) == (["main"], False), "groups that are none are dropped"
    assert (await agent.expect("update"))["groups"] == ["main"]
    await admin.call("update_server", id=agent.id, autoGroup="true", groups=["main"])
    assert own in (await server(admin, agent))["groups"], "automatic matching overrides what is sent"
    await admin.call("update_server", id=agent.id, autoGroup=False, groups=[own])
    await admin.call("delete_group", id=own)

    async def automatic() -> bool:
        record = await server(admin, agent)
        return bool(record["autoGroup"]) and record["groups"] == ["main"]

    await eventually(automatic, "without its last group a server is matched again")


async def test_an_offline_server_is_matched_against_a_new_group(
    agent: Agent, alone: Station, admin: Client
) -> None:
    await send_sample(agent, DATA)
    await agent.leave()
    own = await group(admin, f"^{agent.hostname}$")

    async def matched() -> bool:
        return own in (await admin.call("get_server", id=agent.id))["server"]["groups"]

    await eventually(matched, "it is in the group while it is away")
    await admin.call("delete_group", id=own)


async def test_what_people_may_change_of_a_server(agent: Agent, admin: Client) -> None:
    """Hole of servers.yaml: hostname, ip, info and the like could be overwritten."""
    before = await server(admin, agent)
    await admin.call(
        "update_server",
        id=agent.id,
        title="Front",
        icon="server",
        enabled="false",
        maxJobs=4,
        labels=["blue", "blue", "rack7"],
        hostname="stolen",
        ip="9.9.9.9",
        info={},
        socket_id="x",
        userData={"x": 1},
    )
    after = await server(admin, agent)
    assert (after["title"], after["icon"], after["enabled"]) == ("Front", "server", False)
    assert (after["maxJobs"], after["labels"]) == (4, ["blue", "rack7"])
    for key in ("hostname", "ip", "socket_id", "info"):
        assert after[key] == before[key]
    assert "userData" not in after
    assert {"Front", "rack7"} <= set(after["keywords"].split(",")), "found by its new words at once"
    await agent.rejoin()
    assert (await server(admin, agent))["title"] == "Front"
    for bad in ({"groups": "main"}, {"title": 7}, {"labels": [1]}, {"maxJobs": -1}, {"icon": "<b>"}):
        with pytest.raises(ApiError) as refused:
            await admin.call("update_server", id=agent.id, **bad)
        assert refused.value.code == "api"
    with pytest.raises(ApiError) as refused:
        await admin.call("update_server", id="snobody", title="x")
    assert refused.value.code == "notfound"


async def test_user_data_is_merged_or_replaced_also_offline(agent: Agent, admin: Client) -> None:
    await send_sample(agent, DATA)
    first = await admin.call("update_server_data", id=agent.id, data={"a": 1, "b": 2})
    assert first["data"] == {"a": 1, "b": 2}
    merged = await admin.call("update_server_data", id=agent.id, userData={"b": 3})
    assert merged["data"] == {"a": 1, "b": 3}
    await agent.leave()
    replaced = await admin.call("update_server_data", id=agent.id, data={"c": 4}, replace=True)
    assert replaced["data"] == {"c": 4}
    assert (await admin.call("get_server", id=agent.id))["server"]["userData"] == {"c": 4}
    for id, data, code in ((agent.id, [1], "api"), ("snobody", {}, "server")):
        with pytest.raises(ApiError) as refused:
            await admin.call("update_server_data", id=id, data=data)
        assert refused.value.code == code


async def test_an_offline_server_is_deleted_with_its_history(agent: Agent, admin: Client) -> None:
    await send_sample(agent, DATA)
    snapshot = (await admin.call("create_snapshot", server=agent.id))["id"]
    await agent.leave()
    await eventually(lambda: _offline(admin, agent), "it is offline")
    with pytest.raises(ApiError) as refused:
        await admin.call("delete_server", id=agent.id, history="false")
    assert refused.value.code == "server"
    await admin.call("delete_server", id=agent.id, history=True)
    await eventually(lambda: _unknown(admin, agent.id), "it is gone")

    async def no_snapshot() -> bool:
        try:
            await admin.call("delete_snapshot", id=snapshot)
        except ApiError:
            return True
        return False

    assert await no_snapshot()
    with pytest.raises(ApiError) as refused:
        await admin.call("delete_server", id=agent.id, history=True)
    assert refused.value.code == "server", "an ID that nobody knows is no success"


async def test_an_online_server_is_uninstalled_and_deleted_when_it_has_gone(
    agent: Agent, admin: Client
) -> None:
    await send_sample(agent, DATA)
    await admin.call("delete_server", id=agent.id, history=True)
    await agent.expect("uninstall")
    assert await server_of(admin, agent), "it is there until it has gone"
    await agent.leave()
    await eventually(lambda: _unknown(admin, agent.id), "it is gone")


async def test_a_deletion_outlives_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hole of servers.yaml: a restart before the socket closed lost it."""
    async with station(tmp_path_factory.mktemp("c")) as own, own.client() as admin:
        async with own.agent("") as agent:
            await agent.join()
            await send_sample(agent, DATA)
            await admin.call("delete_server", id=agent.id, history=1)
            await own.conductor.kill()
        own.conductor.start()
        await own.conductor.ready()
        await eventually(lambda: _unknown(admin, agent.id), "it is gone")


async def test_servers_are_listed_in_pages(alone: Station, admin: Client) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(3):
            one = await stack.enter_async_context(alone.agent(""))
            await one.join()
        everyone = await admin.call("get_active_servers")
        total = everyone["list"]["length"]
        page = await admin.call("get_active_servers", offset=1, limit=1)
        assert (len(page["rows"]), page["list"]["length"]) == (1, total)
        assert page["rows"][0]["id"] == everyone["rows"][1]["id"]


async def _offline(client: Client, agent: Agent) -> bool:
    return await server_of(client, agent) is None


async def _unknown(client: Client, server_id: str) -> bool:
    try:
        await client.call("get_server", id=server_id)
    except ApiError as error:
        return bool(error.code == "notfound")
    return False
