"""Alerts from a satellite's sample to the stored invocation, over HTTP and through a kill (contract alerts.md)."""

import time
from typing import Any

import pytest

from tests.acceptance.agent import Agent, Station, station
from tests.processes import ApiError, Client, eventually

Json = dict[str, Any]

STOCK = {"load_avg_high", "mem_free_low", "io_wait_high", "disk_usage_root_high", "active_jobs_high"}
DATA: Json = {
    "load": [9.5, 4, 2],
    "cpu": {"cores": 8},
    "memory": {"total": 16_000, "available": 9_000, "used": 7_000},
    "processes": {"list": [{"pid": 7, "command": "sleep 60"}], "all": 1},
    "conns": [{"type": "tcp", "state": "ESTABLISHED"}],
}


async def send_sample(agent: Agent, data: Json) -> None:
    message = {"version": "1.0", "date": time.time(), "server": agent.id, "data": data}
    await agent.send("monitor", {**message, "hostname": agent.hostname})
    await agent.settled()


async def logged(client: Client, action: str, keyword: str) -> None:
    async def found() -> bool:
        query = f"action:{action} keywords:{keyword}"
        return bool((await client.call("search_activity", query=query))["list"]["length"])

    await eventually(found, f"{action} is in the log")


async def active(client: Client, server_id: str) -> list[Json]:
    """The active alerts of a server, those of the stock definitions aside."""
    alerts = (await client.call("get_multiple", lists="alerts", alerts=1))["activeAlerts"]
    return [one for one in alerts.values() if one["server"] == server_id and one["alert"] not in STOCK]


async def create_alert(client: Client, **properties: Any) -> Json:
    given = {
        "title": "Much memory",
        "expression": "memory.total > 0 && memory.used < 8000",
        "message": "{{memory.used}} of {{memory.total}}",
        **properties,
    }
    return dict((await client.call("create_alert", **given))["alert"])


async def fired(client: Client, agent: Agent, alert: Json) -> Json:
    async def found() -> Json | None:
        return next((one for one in await active(client, agent.id) if one["alert"] == alert["id"]), None)

    invocation = await eventually(found, "the alert fires")
    assert invocation is not None
    return invocation


async def test_an_alert_fires_with_its_reasons_and_clears_when_it_is_disabled(
    agent: Agent, admin: Client
) -> None:
    alert = await create_alert(admin)
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    assert invocation["message"] == "7000 of 16000"
    assert (invocation["exp"], invocation["groups"]) == (alert["expression"], ["main"])
    assert {"text": "memory.used", "value": 7000} in invocation["why"]
    stored = (await admin.call("get_alert_invocations", ids=f"{invocation['id']},anone"))["alerts"]
    assert stored[0]["active"] is True
    assert "anone" in stored[1]["err"]
    assert (await admin.call("get_server", id=agent.id))["data"]["new_alerts"][alert["id"]] is True

    await admin.call("update_alert", id=alert["id"], enabled=False)
    await eventually(lambda: _nothing_active(admin, agent), "disabling clears at once")
    cleared = (await admin.call("get_alert_invocations", ids=[invocation["id"]]))["alerts"][0]
    assert cleared["active"] is False
    assert "stale" not in cleared


async def _nothing_active(client: Client, agent: Agent) -> bool:
    return not await active(client, agent.id)


async def test_an_alert_is_explained(agent: Agent, admin: Client) -> None:
    alert = await create_alert(admin, expression="memory.used > 1 && load[0] >= (cpu.cores + 1)", samples=3)
    await send_sample(agent, DATA)
    told = await admin.call("explain_alert", alert=alert["id"], server=agent.id)
    assert (told["state"], told["count"], told["samples"]) == ("warming", 1, 3)
    assert [one["result"] for one in told["evaluations"]] == ["true"]
    values = {part["text"]: part["value"] for part in told["why"]}
    assert values["load[0]"] == 9.5
    assert values["cpu.cores + 1"] == 9
    await admin.call("delete_alert", id=alert["id"])


async def test_a_definition_is_tried_on_the_last_sample_of_a_server(agent: Agent, admin: Client) -> None:
    trial = {"server": agent.id, "expression": "memory.total > 20000", "message": "{{bytes(memory.total)}}"}
    with pytest.raises(ApiError) as refused:
        await admin.call("test_alert", **trial)
    assert refused.value.code == "alert"
    await send_sample(agent, DATA)
    answer = await admin.call("test_alert", **trial)
    assert (answer["result"], answer["message"], "hints" in answer) == (False, "15.6 K", False)
    odd = await admin.call(
        "test_alert", **{**trial, "expression": "processes.list[(.pid == 7)] || conns[.x == 1]"}
    )
    assert (odd["result"], len(odd["hints"])) == (True, 2)
    for bad in ({"expression": "memory.("}, {"message": "{{memory.(}}"}):
        with pytest.raises(ApiError) as refused:
            await admin.call("test_alert", **{**trial, **bad})
        assert refused.value.code == "alert"


async def test_the_tickets_of_an_invocation_are_replaced_and_it_is_deleted(
    agent: Agent, admin: Client
) -> None:
    alert = await create_alert(admin)
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    await admin.call("manage_alert_invocation_tickets", id=invocation["id"], tickets=["t1", "t2", "t1"])
    stored = (await admin.call("get_alert_invocations", ids=[invocation["id"]]))["alerts"][0]
    assert stored["tickets"] == ["t1", "t2"]
    with pytest.raises(ApiError) as refused:
        await admin.call("manage_alert_invocation_tickets", id=invocation["id"], tickets=[], message="x")
    assert refused.value.code == "job"
    await admin.call("delete_alert_invocation", id=invocation["id"])
    with pytest.raises(ApiError) as refused:
        await admin.call("delete_alert_invocation", id=invocation["id"])
    assert refused.value.code == "alert"
    await admin.call("delete_alert", id=alert["id"])
    await eventually(lambda: _nothing_active(admin, agent), "a deleted definition is gone at once")


async def test_an_unclean_restart_goes_on_with_the_same_invocation(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Hole 1 of alerts.md §9: no second invocation, and nothing that stays active for ever."""
    async with station(tmp_path_factory.mktemp("c")) as own, own.client() as admin:
        async with own.agent("") as agent:
            await agent.join()
            alert = await create_alert(admin)
            await send_sample(agent, DATA)
            before = await fired(admin, agent, alert)
            await own.conductor.kill()
        own.conductor.start()
        await own.conductor.ready()
        after = await active(admin, agent.id)
        assert [one["id"] for one in after] == [before["id"]]
        await admin.call("update_alert", id=alert["id"], enabled=False)
        await eventually(lambda: _nothing_active(admin, agent), "it clears")
        stored = (await admin.call("get_alert_invocations", ids=[before["id"]]))["alerts"][0]
        assert stored["active"] is False


async def test_snapshots_of_servers_and_groups(agent: Agent, admin: Client) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.call("create_snapshot", server=agent.id)
    assert refused.value.code == "snapshot"
    with pytest.raises(ApiError) as refused:
        await admin.call("create_snapshot", server="snobody")
    assert refused.value.code == "server"
    await send_sample(agent, DATA)
    id = (await admin.call("create_snapshot", server=agent.id, label="before"))["id"]
    assert id.startswith("sn")
    group_id = (await admin.call("create_group_snapshot", group="main"))["id"]
    other = (await admin.call("create_snapshot", server=agent.id))["id"]
    # Better, snapshots.md 5: pinned, maintenance keeps it.
    await admin.call("update_snapshot", id=other, pinned=True, label="after")
    pinned = (await admin.call("search_snapshots", query=f"pinned:true server:{agent.id}", limit=5))["rows"]
    assert [(one["id"], one["label"]) for one in pinned] == [(other, "after")]
    with pytest.raises(ApiError) as refused:
        await admin.call("update_snapshot", id="snone", pinned=True)
    assert refused.value.code == "snapshot"
    found = (await admin.call("compare_snapshots", before=id, after=other))["comparison"]
    assert (found["seconds"], found["monitors"], found["processes"]["ended"]) == (0, {}, [])
    with pytest.raises(ApiError) as refused:
        await admin.call("compare_snapshots", before=id, after=group_id)
    assert refused.value.code == "snapshot"
    for one in (id, group_id):
        await admin.call("delete_snapshot", id=one)
        await logged(admin, "snapshot_delete", one)  # better, snapshots.md 10
        with pytest.raises(ApiError) as refused:
            await admin.call("delete_snapshot", id=one)
        assert refused.value.code == "snapshot"
    with pytest.raises(ApiError) as refused:
        await admin.call("create_group_snapshot", group="gnone")
    assert refused.value.code == "snapshot"


async def test_watches_of_servers_and_groups(agent: Agent, alone: Station, admin: Client) -> None:
    async def watches() -> Json:
        state = (await admin.call("get_multiple", lists="alerts", state=1))["state"]
        return dict(state.get("watches", {}))

    await admin.call("watch_server", id=agent.id, duration="300")
    await admin.call("watch_group", id="main", duration=60)
    end = (await watches())["servers"][agent.id]
    assert abs(end - time.time() - 300) < 30, "a text is a number, not glued to the clock"
    assert "main" in (await watches())["groups"]
    listed = await admin.call("get_watches")
    assert (listed["servers"][agent.id], list(listed["groups"])) == (end, ["main"])
    # Better, snapshots.md 8: whose they are.
    owner = listed["owners"]["servers"][agent.id]
    assert (owner["username"], owner["since"]) == (listed["owners"]["groups"]["main"]["username"], end - 300)
    await admin.call("watch_server", id=agent.id, duration=0)
    await admin.call("watch_group", id="main", duration="0")
    assert agent.id not in (await watches())["servers"]
    assert "main" not in (await watches())["groups"]
    for call, code in (("watch_server", "server"), ("watch_group", "watch")):
        with pytest.raises(ApiError) as refused:
            await admin.call(call, id="nobody", duration=60)
        assert refused.value.code == code
        with pytest.raises(ApiError) as refused:
            await admin.call(call, id="main", duration="soon")
        assert refused.value.code == "api"


@pytest.mark.parametrize("point", ["conductor.alert_fired", "conductor.alert_actions_ran"])
async def test_a_death_after_an_alert_has_fired_leaves_one_invocation(
    tmp_path_factory: pytest.TempPathFactory,
    point: str,
) -> None:
    folder = tmp_path_factory.mktemp("c")
    fault = {"OPSORBIT_FAULT": point, "OPSORBIT_FAULT_ONCE": str(folder / "died")}
    async with station(folder, **fault) as own, own.client() as admin:
        alert = await create_alert(admin)
        async with own.agent("") as agent:
            await agent.join()
            # No stock alert may fire as well: it would be the one at which the conductor dies.
            quiet = {**DATA, "load": [0.5, 0.5, 0.5]}
            await agent.send("monitor", {"version": "1.0", "server": agent.id, "data": quiet})
            await agent.closed()

        async def dead() -> bool:
            return not own.conductor.running

        await eventually(dead, "it died")
        own.conductor.start()
        await own.conductor.ready()
        (before,) = await active(admin, agent.id)
        await agent.rejoin()
        await send_sample(agent, quiet)
        told = await admin.call("explain_alert", alert=alert["id"], server=agent.id)
        assert (told["state"], told["invocation"]) == ("active", before["id"])
        assert [one["id"] for one in await active(admin, agent.id)] == [before["id"]]
        await agent.leave()


async def test_an_alert_is_acknowledged(agent: Agent, admin: Client) -> None:
    """Hole 7 of alerts.md §9."""
    alert = await create_alert(admin, severity="critical")
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    await admin.call("acknowledge_alert", id=invocation["id"], notes="On my way")
    (shown,) = await active(admin, agent.id)
    assert (shown["acknowledged"]["notes"], shown["severity"]) == ("On my way", "critical")
    with pytest.raises(ApiError) as refused:
        await admin.call("acknowledge_alert", id="anone")
    assert refused.value.code == "alert"
    await admin.call("delete_alert", id=alert["id"])


async def test_a_maintenance_window_mutes_a_server_and_its_end_tells(agent: Agent, admin: Client) -> None:
    """Hole 7 of alerts.md §9: maintenance windows, with reason and who."""
    now = int(time.time())
    given = {"title": "New disks", "start": now - 60, "end": now + 3600, "servers": [agent.id]}
    with pytest.raises(ApiError) as refused:
        await admin.call("create_maintenance_window", **{**given, "end": now - 61})
    assert refused.value.code == "api"
    window = (await admin.call("create_maintenance_window", **given))["maintenance_window"]
    snapshot = {"enabled": True, "condition": "alert_new", "type": "snapshot"}
    alert = await create_alert(admin, actions=[snapshot])
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    silenced = {"reason": "maintenance", "window": window["id"], "title": "New disks", "until": now + 3600}
    assert invocation["silenced"] == {**silenced, "username": window["username"]}
    told = await admin.call("explain_alert", alert=alert["id"], server=agent.id)
    assert (told["state"], told["silenced"]["reason"]) == ("active", "maintenance")
    assert (await admin.call("get_maintenance_windows"))["rows"][0]["title"] == "New disks"
    assert (await admin.call("get_maintenance_window", id=window["id"]))["maintenance_window"]["username"]

    async def stored() -> Json:
        return dict((await admin.call("get_alert_invocations", ids=invocation["id"]))["alerts"][0])

    assert (await stored())["actions"] == []
    await admin.call("delete_maintenance_window", id=window["id"])

    async def acted() -> bool:
        return [one["type"] for one in (await stored())["actions"]] == ["snapshot"]

    await eventually(acted, "what is still wrong is told when the window is gone")
    assert (await stored())["told"] >= now
    await admin.call("delete_alert", id=alert["id"])


async def test_who_is_limited_to_groups_sees_and_manages_no_more_than_them(
    agent: Agent, alone: Station, admin: Client
) -> None:
    alert = await create_alert(admin)
    await send_sample(agent, DATA)
    invocation = await fired(admin, agent, alert)
    other = (await admin.call("create_group", title="Other", hostname_match="(?!)"))["group"]["id"]
    rights = dict.fromkeys(
        (
            "edit_alerts",
            "delete_alerts",
            "edit_tickets",
            "create_snapshots",
            "delete_snapshots",
            "update_servers",
        ),
        True,
    )
    key = await admin.call("create_api_key", title="Limited", active=1, privileges=rights, groups=[other])
    async with Client(alone.conductor.url, str(key["plain_key"])) as limited:
        assert await active(limited, agent.id) == []
        (shown,) = (await limited.call("get_alert_invocations", ids=invocation["id"]))["alerts"]
        assert shown == {"err": f"Failed to locate alert invocation: {invocation['id']}"}
        trial = {"server": agent.id, "expression": "true", "message": "x"}
        for call, params, code in (
            ("test_alert", trial, "alert"),
            ("manage_alert_invocation_tickets", {"id": invocation["id"], "tickets": []}, "alert"),
            ("delete_alert_invocation", {"id": invocation["id"]}, "alert"),
            ("acknowledge_alert", {"id": invocation["id"]}, "alert"),
            ("explain_alert", {"alert": alert["id"], "server": agent.id}, "notfound"),
            ("create_snapshot", {"server": agent.id}, "access"),
            ("create_group_snapshot", {"group": "main"}, "access"),
            ("delete_snapshot", {"id": "sn1"}, "alert"),
            ("watch_server", {"id": agent.id, "duration": 5}, "access"),
            ("watch_group", {"id": "main", "duration": 5}, "access"),
            ("update_server", {"id": agent.id, "title": "x"}, "access"),
            ("update_server_data", {"id": agent.id, "data": {}}, "server"),
            ("delete_server", {"id": agent.id, "history": 1}, "access"),
        ):
            with pytest.raises(ApiError) as refused:
                await limited.call(call, **params)
            assert (call, refused.value.code) == (call, code)
    await admin.call("delete_alert", id=alert["id"])
