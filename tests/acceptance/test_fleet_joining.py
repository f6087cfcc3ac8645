"""Joining (contract satellite_protocol.md §2), over both encodings of the wire."""

import re
from typing import Any

import pytest

from shared import ids
from shared.protocol import tokens
from tests.acceptance.agent import ACKNOWLEDGED, BASE, INFO, SECRET, Agent, Station, server_of
from tests.processes import ApiError, Client, eventually


async def test_a_hello_is_answered_with_a_nonce_and_the_id(alone: Station, subprotocol: str) -> None:
    async with alone.agent(subprotocol) as agent:
        answer = await agent.hello()
        offered = {"proof"} if agent.acknowledged else set()
        assert set(answer) == {"nonce", "id"} | offered
        assert answer["id"] == agent.id
        assert re.fullmatch(r"[0-9a-f]{64}", answer["nonce"])


@pytest.mark.parametrize("blank", ["", None, 7, "no/good id"])
async def test_a_blank_id_gets_a_new_one(
    alone: Station, admin: Client, subprotocol: str, blank: object
) -> None:
    async with alone.agent(subprotocol) as agent:
        agent.id = (await agent.hello(id=blank))["id"]
        assert re.fullmatch(r"s[a-z0-9]{6,}", agent.id)
        await agent.send("join", {"token": agent.token})
        await agent.expect("joined")
        assert await server_of(admin, agent)


@pytest.mark.parametrize("by", ["server token", "nonce"])
async def test_either_token_opens(alone: Station, admin: Client, subprotocol: str, by: str) -> None:
    async with alone.agent(subprotocol) as agent:
        nonce = (await agent.hello())["nonce"]
        token = agent.token if by == "server token" else tokens.nonce_token(nonce, SECRET)
        await agent.send("join", {"token": token})
        assert await agent.expect("joined")
        assert await server_of(admin, agent)


async def test_joined_tells_all_that_an_agent_needs(alone: Station, admin: Client, subprotocol: str) -> None:
    plugin = ids.short_id("p")
    await admin.call(
        "create_plugin",
        id=plugin,
        title=plugin,
        enabled=False,
        type="event",
        command="/bin/sh",
        script="echo 1",
    )
    async with alone.agent(subprotocol) as agent:
        joined = await agent.join()
        late = {"late_samples": True} if agent.acknowledged else {}
        assert joined["features"] == {"api_finish_job": True, **late}
        assert joined["masterData"]["masters"], "an agent would forget where its conductors are"
        assert joined["config"]["airgap"]["enabled"] is False
        assert joined["groups"] == ["main"]
        assert joined["numServers"] >= 1
        by_id = {one["id"]: one for one in joined["plugins"]}
        assert {one["type"] for one in joined["plugins"]} == {"event"}
        assert by_id["shellplug"]["command"]
        assert by_id[plugin]["script"] == "echo 1", "an agent keeps the scripts of all, enabled or not"
        for command in joined["commands"]:
            assert command["type"] == "monitor"
            assert isinstance(command["groups"], list)
            assert isinstance(command["sec"], dict)
            assert {"uid", "gid"} <= set(command)


async def test_a_new_server_is_listed_with_its_groups_and_keywords(
    alone: Station, admin: Client, subprotocol: str
) -> None:
    name = ids.short_id("g")
    group = (await admin.call("create_group", id=name, title=name, hostname_match=f"^{name}-"))["group"]["id"]
    async with alone.agent(subprotocol, hostname=f"{name.upper()}-07.Lan/../é") as agent:
        await agent.join(title="Render 07")
        server = await server_of(admin, agent)
    assert server
    assert server["hostname"] == f"{name}-07.lan.."
    assert group in server["groups"]
    assert server["enabled"] is True
    assert server["title"] == "Render 07"
    assert server["ip"] == "127.0.0.1"
    assert server["info"]["cpu"]["combo"] == "AMD EPYC 7763"
    assert server["info"]["satellite"] == INFO["satellite"]
    words = server["keywords"].split(",")
    for word in (server["hostname"], "127.0.0.1", group, "Linux", "Ubuntu", "AMD", "Amazon EC2", "Render 07"):
        assert word in words


async def test_groups_of_the_first_hello_are_manual(alone: Station, admin: Client, subprotocol: str) -> None:
    name = ids.short_id("g")
    await admin.call("create_group", id=name, title=name, hostname_match="nosuchhost")
    async with alone.agent(subprotocol) as agent:
        joined = await agent.join(groups=[name, "deleted"])
        assert joined["groups"] == [name]
    async with alone.agent(subprotocol) as agent:
        joined = await agent.join(groups=["deleted"])
        assert joined["groups"] == ["main"], "with none left it is grouped by its host name"


async def test_stored_values_win_when_a_server_comes_back(
    alone: Station, admin: Client, subprotocol: str
) -> None:
    async with alone.agent(subprotocol) as agent:
        await agent.join(title="First", icon="one")
        first = await server_of(admin, agent)
        await agent.leave()
        agent.hostname = f"renamed-{agent.hostname}"
        await agent.open()
        await agent.join(title="Second", icon="two", enabled=False, info={**INFO, "satellite": "1.0.40"})
        second = await server_of(admin, agent)
    assert first
    assert second
    for key in ("title", "icon", "enabled", "created"):
        assert second[key] == first[key]
    assert second["hostname"] == agent.hostname
    assert second["info"]["satellite"] == "1.0.40"
    assert second["socket_id"] != first["socket_id"]


async def test_the_newest_socket_of_a_server_wins(agent: Agent, alone: Station, admin: Client) -> None:
    first = await server_of(admin, agent)
    async with alone.agent(agent.subprotocol, server_id=agent.id) as newer:
        await newer.join()
        await agent.closed()
        second = await server_of(admin, newer)
        assert first
        assert second
        assert second["socket_id"] != first["socket_id"]
        await newer.settled()
    assert not alone.log_lines("satellite left", agent.id)[1:], "it left once"


async def test_an_id_in_use_by_another_host_is_refused(agent: Agent, alone: Station, admin: Client) -> None:
    async with alone.agent(agent.subprotocol, server_id=agent.id, hostname="clone.lan") as clone:
        await clone.send("hello", {"id": clone.id, "hostname": clone.hostname, "info": INFO})
        refusal = await clone.expect("auth_failure")
        expected = f"Server with duplicate ID attempting to connect to the network: {agent.id} (clone.lan)"
        assert refusal == {"description": expected}
        await clone.send("join", {"token": clone.token})
        await clone.settled()
        assert not clone.unread("joined")
    await agent.settled()
    server = await server_of(admin, agent)
    assert server
    assert server["hostname"] == agent.hostname


async def test_of_two_hosts_that_say_hello_with_one_id_the_second_to_join_is_refused(
    alone: Station, admin: Client, subprotocol: str
) -> None:
    async with alone.agent(subprotocol) as one, alone.agent(subprotocol, server_id=one.id) as two:
        two.hostname = "clone.lan"
        await one.hello()
        await two.hello()
        for agent in (one, two):
            await agent.send("join", {"token": agent.token})
            await agent.settled()
        assert await one.expect("joined")
        assert await two.expect("auth_failure")
        assert not two.unread("joined")
        assert (await server_of(admin, one) or {})["hostname"] == one.hostname


@pytest.mark.parametrize("token", ["0" * 64, "", None, 7, ["x"], "\x00é"])
async def test_a_wrong_token_opens_nothing(
    alone: Station, admin: Client, subprotocol: str, token: object
) -> None:
    async with alone.agent(subprotocol) as agent:
        await agent.hello()
        await agent.send("join", {"token": token})
        assert await agent.expect("auth_failure") == {"description": "Invalid authentication token."}
        await agent.send("monitor", {"version": "1.0", "data": {"load": [1, 1, 1]}})
        await agent.settled()
        assert not agent.unread("joined")
        assert await server_of(admin, agent) is None
        with pytest.raises(ApiError):
            await admin.call("get_server", id=agent.id)


async def test_the_token_of_another_server_opens_nothing(
    alone: Station, admin: Client, subprotocol: str
) -> None:
    async with alone.agent(subprotocol) as agent:
        await agent.hello()
        await agent.send("join", {"token": tokens.server_token("sanother", SECRET)})
        await agent.expect("auth_failure")
        assert await server_of(admin, agent) is None


async def test_what_comes_before_its_turn_is_ignored(alone: Station, admin: Client, subprotocol: str) -> None:
    async with alone.agent(subprotocol) as agent:
        await agent.send("join", {"token": agent.token})
        await agent.send("monitor", {"version": "1.0", "data": {"load": [1, 1, 1]}})
        await agent.send("critical", {"description": "never to be read"})
        await agent.settled()
        assert not agent.unread("hello", "joined", "auth_failure", "retry", "redirect")
        await agent.join()
        with pytest.raises(ApiError, match="no monitoring data"):
            await admin.call("get_server", id=agent.id)


async def test_a_second_hello_changes_nothing(agent: Agent, admin: Client) -> None:
    other = ids.short_id("s")
    await agent.send("hello", {"id": other, "hostname": "other.lan", "info": {}})
    await agent.send("join", {"token": tokens.server_token(other, SECRET)})
    await agent.settled()
    assert not agent.unread("hello", "joined")
    server = await server_of(admin, agent)
    assert server
    assert server["hostname"] == agent.hostname


async def test_a_server_that_leaves_is_offline_and_known(agent: Agent, admin: Client) -> None:
    await agent.leave()

    async def gone() -> bool:
        return await server_of(admin, agent) is None

    await eventually(gone, "the server has left")
    await agent.open()
    await agent.join()
    assert await server_of(admin, agent)


@pytest.mark.parametrize(
    "properties",
    [
        {"maxJobs": "many"},
        {"maxJobs": {"a": 1}},
        {"maxJobs": -1},
        {"userData": "text"},
        {"userData": [1]},
        {"title": {"not": "text"}},
        {"icon": [1]},
        {"enabled": "false"},
        {"groups": "main"},
        {"groups": [{"id": 1}, None]},
        {"autoGroup": "x"},
        {"info": None},
        {"info": [1]},
        {"info": {"os": "x", "cpu": [1], "virt": "vm", "memory": 3, "features": None}},
        {"info": {"cpu": {"manufacturer": {"x": 1}, "brand": None}, "os": {"distro": [1]}}},
        {"hostname": None},
        {"hostname": {"x": 1}},
        {"hostname": "/"},
    ],
)
async def test_a_nonsense_hello_makes_a_server_that_takes_jobs_or_none(
    alone: Station, admin: Client, properties: dict[str, Any], subprotocol: str
) -> None:
    """Whatever one satellite says of itself, jobs are placed and lists can be read."""
    async with alone.agent(subprotocol) as odd, alone.agent(subprotocol) as good:
        await odd.join(**properties)
        await good.join()
        server = await server_of(admin, odd)
        assert server
        assert isinstance(server.get("title", ""), str)
        assert isinstance(server.get("userData", {}), dict)
        event = await admin.call(
            "create_event", title="Anywhere", enabled=True, category="general", plugin="shellplug",
            targets=[odd.id, good.id], algo="least_cpu", triggers=[{"type": "manual", "enabled": True}],
            params={"script": "#!/bin/sh\n"},
        )  # fmt: skip
        job_id = (await admin.call("run_event", id=event["event"]["id"]))["id"]

        async def placed() -> bool:
            return bool(odd.unread("launch_job") or good.unread("launch_job"))

        await eventually(placed, "the job is launched on one of them", 3)
        owner = odd if odd.unread("launch_job") else good
        await owner.launched(job_id)
        await owner.finish(job_id)


async def test_changes_of_groups_and_plugins_are_told(agent: Agent, admin: Client) -> None:
    name = ids.short_id("g")
    await admin.call("create_group", id=name, title=name, hostname_match=re.escape(agent.hostname))
    while name not in (await agent.expect("update")).get("groups", []):
        pass  # of what another test has changed
    plugin = await admin.call(
        "create_plugin", id=name.replace("g", "p", 1), title=name, enabled=True, type="event",
        command="/bin/sh", script="echo new",
    )  # fmt: skip
    update = await agent.expect("update")
    while plugin["plugin"]["id"] not in [one["id"] for one in update["plugins"]]:
        update = await agent.expect("update")
    assert isinstance(update["commands"], list)


async def test_scripts_go_to_the_server_that_runs_them(alone: Station, admin: Client) -> None:
    """Better (satellite_protocol 6): our satellites get a script with the launch, others as the original's do."""
    plugin, event = ids.short_id("p"), ids.short_id("e")
    await admin.call(
        "create_plugin",
        id=plugin,
        title=plugin,
        enabled=True,
        type="event",
        command="/bin/sh",
        script="echo one",
    )
    features = {"info": {**INFO, "features": {"launchScripts": True}}}
    async with alone.agent(ACKNOWLEDGED) as ours, alone.agent(BASE) as original:
        assert (await ours.join(**features))["plugins"] == []
        listed = (await original.join())["plugins"]
        assert [one["script"] for one in listed if one["id"] == plugin] == ["echo one"]
        await admin.call(
            "create_event", id=event, title=event, enabled=True, category="general", plugin=plugin,
            targets=[ours.id], triggers=[{"type": "manual", "enabled": True}],
        )  # fmt: skip
        await admin.call("update_plugin", id=plugin, script="echo two")
        job_id = (await admin.call("run_event", id=event))["id"]
        launch = await ours.launched(job_id)
        assert (launch["script"], launch["job"]["script"]) == ("echo two", "(File)")
        await ours.finish(job_id)
        await admin.call("update_event", id=event, targets=[original.id])
        job_id = (await admin.call("run_event", id=event))["id"]
        assert "script" not in await original.launched(job_id)
        await original.finish(job_id)
