"""What satellites and formulas may do wrong, as a user sees it: dropped or bounded with one warning, and the minute of
the others goes on (monitoring.md §3, §10; snapshots and alerts included)."""

import asyncio
import time
from typing import Any

import aiohttp
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.agent import Agent, Station
from tests.acceptance.test_monitors import DATA, monitored
from tests.processes import Client, eventually

Json = dict[str, Any]

ABSURD: Json = {
    "load": [1e308, -1e308, 5e-324],
    "cpu": {"currentLoad": -1e300, "cores": 0},
    "memory": {"used": 10**18, "available": -(2**63), "total": 0},
    "mounts": {"root": {"use": 1e301}},
    "stats": {"network": {"rx_bytes": -1, "tx_bytes": 2**63 - 1, "conns": 1e307}},
    "jobs": 1e100,
    "processes": {"all": -5, "list": [{"pid": -1, "cpu": 1e308, "command": None}]},
    "commands": {"open_files": "9" * 4000},
}


async def totals(client: Client, server_id: str) -> Json:
    """The monitors of the server's only minute."""
    rows = (await client.call("get_latest_monitor_data", server=server_id, sys="hourly", limit=10))["rows"]
    assert len(rows) == 1
    assert rows[0]["count"] == 1
    return dict(rows[0]["totals"])


async def test_absurd_numbers_stay_finite_and_readable(agent: Agent, alone: Station, admin: Client) -> None:
    await monitored(agent, ABSURD)
    found = await totals(admin, agent.id)
    assert all(isinstance(value, int | float) and abs(value) <= 1e300 for value in found.values())
    assert (found["load_avg"], found["disk_usage_root"], found["total_procs"]) == (0, 0, -5)
    assert (await admin.call("create_snapshot", server=agent.id))["id"]
    async with aiohttp.ClientSession() as session, session.get(f"{alone.conductor.url}/metrics") as response:
        text = await response.text()
    assert any(family.name == "opsorbit_monitor_load_avg" for family in text_string_to_metric_families(text))
    assert agent.is_open


async def test_a_sample_of_ten_megabytes_is_dropped_with_one_warning(
    agent: Agent, alone: Station, admin: Client, subprotocol: str
) -> None:
    table = [{"pid": number, "command": "x" * 200} for number in range(4_000)]
    huge = {**DATA, "commands": {"leak": "y" * 10_000_000}, "processes": {"list": table}}
    before = len(alone.log_lines("a sample was dropped"))
    for _ in range(3):
        await monitored(agent, huge)
    assert agent.is_open

    async def warned() -> bool:  # a server's first sample waits for what is stored of it
        return bool(alone.log_lines("a sample was dropped", agent.id))

    await eventually(warned, "the conductor says that it dropped a sample")
    async with alone.agent(subprotocol) as other:
        await other.join()
        await monitored(other)
        assert (await totals(admin, other.id))["load_avg"] == 0.5
    assert len(alone.log_lines("a sample was dropped", agent.id)) == 1
    assert len(alone.log_lines("a sample was dropped")) == before + 1


@pytest.mark.parametrize("date", [0, -1, 1_000, 4_102_444_800, 1e300, "tomorrow", None])
async def test_a_sample_of_the_past_or_the_future_counts_now(
    alone: Station, admin: Client, date: Any
) -> None:
    """The conductor's clock dates samples, whatever the host's says."""
    async with alone.agent("opsorbit.v1") as agent:
        await agent.join()
        while time.time() % 60 > 55:
            await asyncio.sleep(0.1)
        await agent.send("monitor", {"version": "1.0", "date": date, "server": agent.id, "data": DATA})
        await agent.settled()
        record = (await admin.call("get_server", id=agent.id))["data"]
        assert abs(record["date"] - time.time()) < 10
        assert (await totals(admin, agent.id))["load_avg"] == 0.5


async def test_a_satellite_that_reconnects_without_end_is_one_server_with_one_sample(
    alone: Station, admin: Client, subprotocol: str
) -> None:
    """A thousand reconnections a minute, a hundred and twenty of them here; a neighbour notices nothing."""
    async with alone.agent(subprotocol) as restless, alone.agent(subprotocol) as neighbour:
        await neighbour.join()
        await restless.join()
        while time.time() % 60 > 45:
            await asyncio.sleep(0.1)
        began = time.monotonic()
        for _ in range(120):
            await restless.send("monitor", {"version": "1.0", "date": time.time(), "data": DATA})
            await restless.rejoin()
        assert time.monotonic() - began < 30
        await monitored(neighbour)
        assert (await totals(admin, neighbour.id))["load_avg"] == 0.5
        assert (await totals(admin, restless.id))["load_avg"] == 0.5
        rows = (await admin.call("get_active_servers"))["rows"]
        assert sum(one["id"] == restless.id for one in rows) == 1
    assert not alone.log_lines("a part of the conductor failed")


async def test_formulas_that_err_stop_neither_the_minute_nor_one_another(
    agent: Agent, alone: Station, admin: Client
) -> None:
    """A monitor that fails is 0 and an alert that fails is false, each said once; the others are what they are."""
    monitors = {
        "bad_path": {"source": "nothere[0].x + 1"},
        "bad_call": {"source": "nosuchfunction(1)"},
        "bad_match": {"source": "commands.long", "data_match": "(a+)+$"},
        "good": {"source": "load[0] * 2"},
    }
    ids = {}
    for title, given in monitors.items():
        answer = await admin.call("create_monitor", title=title, data_type="float", **given)
        ids[title] = answer["monitor"]["id"]
    bad = await admin.call("create_alert", title="Bad", expression="nothere[0] > 1", message="x")
    good = await admin.call(
        "create_alert", title="Good", expression="load[0] > 0.1", message="{{nothere[0]}}"
    )
    data = {**DATA, "commands": {"long": "a" * 40 + "!", "open_files": "7"}}
    await monitored(agent, data)
    found = await totals(admin, agent.id)
    assert {title: found[id] for title, id in ids.items()} == {
        "bad_path": 0, "bad_call": 0, "bad_match": 0, "good": 1,
    }  # fmt: skip
    assert found["open_files"] == 7
    assert len(alone.log_lines("a monitor could not be evaluated", agent.id)) == 1

    async def fired() -> Json | None:
        alerts = (await admin.call("get_multiple", lists="alerts", alerts=1))["activeAlerts"]
        own = {one["alert"]: one for one in alerts.values() if one["server"] == agent.id}
        assert bad["alert"]["id"] not in own
        return own.get(good["alert"]["id"])

    invocation = await eventually(fired, "the good alert fires")
    assert invocation is not None
    assert invocation["message"].startswith("(ERROR: ")
    told = await admin.call("explain_alert", alert=bad["alert"]["id"], server=agent.id)
    assert [one["result"] for one in told["evaluations"]] == ["error"]
    for id in (bad["alert"]["id"], good["alert"]["id"]):
        await admin.call("delete_alert", id=id)
    for id in ids.values():
        await admin.call("delete_monitor", id=id)


async def test_numbers_that_json_does_not_have_are_no_sample(alone: Station, admin: Client) -> None:
    """NaN and Infinity over msgpack: kept as nothing, harming nobody."""
    async with alone.agent("opsorbit.v1") as agent:
        await agent.join()
        await monitored(
            agent, {**DATA, "load": [float("nan"), float("inf"), 1], "cpu": {"currentLoad": 1e308 * 10}}
        )
        found = await totals(admin, agent.id)
        assert (found["load_avg"], found["cpu_usage"]) == (0, 0)
        record = await admin.call("get_server", id=agent.id)
        assert msgspec.json.encode(record)
