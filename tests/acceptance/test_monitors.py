"""Monitors over the wire and the API: timelines, quick monitors, tests of definitions, /metrics (api/monitors.yaml)."""

import asyncio
import sqlite3
import time
from contextlib import closing, suppress
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.agent import ACKNOWLEDGED, INFO, Agent, Station, station
from tests.processes import ApiError, Client, Deployment, eventually

DATA: dict[str, Any] = {
    "load": [0.5, 0, 0],
    "cpu": {"currentLoad": 37.5, "cores": 8},
    "mounts": {"root": {"use": 13.06}},
    "stats": {"network": {"rx_bytes": 1000}},
    "commands": {"open_files": "3392\t0\t9223372036854775807"},
}
SYSTEMS = {"hourly": 60, "daily": 120, "monthly": 3600, "yearly": 43_200}


async def monitored(agent: Agent, data: dict[str, Any] = DATA) -> None:
    """Send a minute sample, with enough of the minute left for what follows."""
    while time.time() % 60 > 55:
        await asyncio.sleep(0.1)
    await agent.send("monitor", {"version": "1.0", "date": time.time(), "server": agent.id, "data": data})
    await agent.settled()


async def test_monitors_of_a_sample_are_in_every_timeline(agent: Agent, admin: Client) -> None:
    await monitored(agent)
    for system, seconds in SYSTEMS.items():
        answer = await admin.call("get_latest_monitor_data", server=agent.id, sys=system, limit=10)
        [row] = answer["rows"]
        assert row["date"] == row["epoch_div"] * seconds == answer["data"]["date"] // seconds * seconds
        assert (row["totals"]["load_avg"], row["totals"]["open_files"], row["count"]) == (0.5, 3392, 1)
        assert answer["data"]["data"]["monitors"] == row["totals"]
        assert len(row["totals"]) == 15
        assert answer["data"]["data"]["deltas"]["os_bytes_in_sec"] == 0
        history = await admin.call(
            "get_historical_monitor_data", server=agent.id, sys=system, date=str(row["date"]), limit="1"
        )
        assert history["rows"] == [row]
        none = await admin.call("get_historical_monitor_data", server=agent.id, sys=system, date=0, limit=5)
        assert none["rows"] == []
    only = await admin.call(
        "get_latest_monitor_data", server=agent.id, sys="hourly", limit=1, monitors="load_avg,x", detail=True
    )
    assert (only["rows"][0]["totals"], only["rows"][0]["max"]) == ({"load_avg": 0.5}, {"load_avg": 0.5})


async def test_timelines_of_several_servers_in_one_call(agent: Agent, admin: Client) -> None:
    """Better: a range of many servers is one call."""
    await monitored(agent)
    start = int(time.time()) - 120
    for chosen in ({"servers": [agent.id]}, {"group": "main"}):
        answer = await admin.call("get_fleet_monitor_data", sys="hourly", date=start, limit=10, **chosen)
        assert [row["totals"]["load_avg"] for row in answer["servers"][agent.id] if "totals" in row] == [0.5]
    for bad in ({}, {"servers": [f"s{number}" for number in range(101)]}):
        with pytest.raises(ApiError, match="parameter"):
            await admin.call("get_fleet_monitor_data", sys="hourly", date=start, limit=10, **bad)


@pytest.mark.parametrize(
    ("name", "params", "code"),
    [
        ("get_latest_monitor_data", {"sys": "weekly", "limit": 1}, "monitor"),
        ("get_latest_monitor_data", {"sys": "hourly", "limit": 1, "server": "nobody"}, "notfound"),
        ("get_latest_monitor_data", {"sys": "hourly", "limit": 1}, "monitor"),
        ("get_latest_monitor_data", {"sys": "hourly", "limit": "x"}, "api"),
        ("get_latest_monitor_data", {"sys": "hourly", "limit": -1}, "api"),
        ("get_historical_monitor_data", {"sys": "weekly", "date": 1, "limit": 1}, "monitor"),
        ("get_historical_monitor_data", {"sys": "hourly", "date": "now", "limit": 1}, "api"),
        ("get_historical_monitor_data", {"sys": "hourly", "date": 10**30, "limit": 1}, "api"),
        ("test_monitor", {"source": "load[0]", "data_type": "float"}, "monitor"),
        ("test_monitor", {"source": "load[", "data_type": "float"}, "monitor"),
        ("test_monitor", {"source": "load", "data_type": "float", "data_match": "("}, "monitor"),
        ("test_monitor", {"source": " ", "data_type": "float"}, "api"),
    ],
)
async def test_refused_calls_of_monitors(
    agent: Agent, admin: Client, name: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ApiError) as refused:
        await admin.call(name, **{"server": agent.id, **params})
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("params", "answer"),
    [
        ({"source": "cpu.currentLoad", "data_type": "float"}, {"value": 37.5}),
        ({"source": "cpu.currentLoad", "data_type": "integer"}, {"value": 37}),
        ({"source": "cpu.currentLoad", "data_type": "anything"}, {"value": 37.5}),
        ({"source": "commands.open_files", "data_type": "bytes", "data_match": r"(\d+)"}, {"value": 3392}),
        ({"source": "monitors.load_avg * 2", "data_type": "float"}, {"value": 1}),
        ({"source": "nothing.there", "data_type": "float"}, {"fail": True}),
        ({"source": "nothing[0]", "data_type": "float"}, {"fail": True}),
    ],
)
async def test_a_monitor_is_tested_on_the_last_sample(
    agent: Agent, admin: Client, params: dict[str, Any], answer: dict[str, Any]
) -> None:
    await monitored(agent)
    assert await admin.call("test_monitor", server=agent.id, **params) == {"code": 0, **answer}
    with pytest.raises(ApiError, match="found nothing"):
        await admin.call("test_monitor", server=agent.id, **{**params, "source": "'x'", "data_match": r"\d"})


async def test_quick_monitors(agent: Agent, admin: Client) -> None:
    assert (await admin.call("get_quickmon_data", server=agent.id))["servers"] == {agent.id: []}
    for _ in range(2):
        await agent.send(
            "quickmon", {"cpu": {"avgLoad": 0.416}, "mem": {"used": 7.9}, "fs": {}, "net": {"rx": 5}}
        )
    await agent.settled()
    for chosen in ({"server": agent.id}, {"group": "main"}, {}):
        rows = (await admin.call("get_quickmon_data", **chosen))["servers"][agent.id]
        assert rows[1]["date"] - rows[0]["date"] >= 1
        assert (rows[0]["_qm_cpu_load"], rows[0]["_qm_mem_used"], rows[0]["_qm_net_in_sec"]) == (0.41, 7, 5)
        assert (rows[0]["_qm_cpu_usage"], rows[0]["_qm_disk_read_sec"]) == (0, None)
    await agent.leave()

    async def gone() -> bool:
        return agent.id not in (await admin.call("get_quickmon_data"))["servers"]

    await eventually(gone, "they go with the server")
    assert (await admin.call("get_quickmon_data", server="nobody"))["servers"] == {"nobody": []}


async def test_callers_limited_to_groups_see_the_monitors_of_theirs(
    agent: Agent, alone: Station, admin: Client
) -> None:
    await monitored(agent)
    made = await admin.call(
        "create_api_key", title="Limited", active=True, groups=["nowhere"], privileges={"edit_monitors": True}
    )
    async with Client(alone.conductor.url, made["plain_key"]) as limited:
        for name, params, code in (
            ("get_latest_monitor_data", {"server": agent.id, "sys": "hourly", "limit": 1}, "access"),
            (
                "get_historical_monitor_data",
                {"server": agent.id, "sys": "hourly", "date": 1, "limit": 1},
                "access",
            ),
            (
                "get_fleet_monitor_data",
                {"servers": agent.id, "sys": "hourly", "date": 1, "limit": 1},
                "access",
            ),
            ("get_quickmon_data", {"server": agent.id}, "access"),
            ("get_quickmon_data", {"group": "main"}, "access"),
            ("test_monitor", {"server": agent.id, "source": "1", "data_type": "float"}, "alert"),
        ):
            with pytest.raises(ApiError) as refused:
                await limited.call(name, **params)
            assert refused.value.code == code, name
        assert (await limited.call("get_quickmon_data"))["servers"] == {}
        assert (await limited.call("get_quickmon_data", server="nobody"))["servers"] == {}


async def scraped(station: Station) -> dict[str, Any]:
    url = f"{station.conductor.url}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return {family.name: family for family in text_string_to_metric_families(await response.text())}


async def test_metrics_show_the_fleets_monitors(agent: Agent, alone: Station, admin: Client) -> None:
    await monitored(agent)
    await admin.call("get_latest_monitor_data", server=agent.id, sys="hourly", limit=1)
    shown = [
        (one.value, one.labels["hostname"], one.labels["groups"])
        for one in (await scraped(alone))["opsorbit_monitor_load_avg"].samples
        if one.labels["server"] == agent.id
    ]
    assert shown == [(0.5, agent.hostname, "main")]


async def test_a_monitor_plugin_is_tested_on_its_server(agent: Agent, admin: Client) -> None:
    with pytest.raises(ApiError, match="cannot test"):
        await admin.call("test_monitor_plugin", id="open_files", server=agent.id)
    await agent.leave()
    await agent.open()
    await agent.join(info={**INFO, "features": {"testMonitorPlugin": True}})
    for id, server in (("shellplug", agent.id), ("open_files", "nobody")):
        with pytest.raises(ApiError, match="not"):
            await admin.call("test_monitor_plugin", id=id, server=server)
    waiting = asyncio.create_task(admin.call("test_monitor_plugin", id="open_files", server=agent.id))
    request = await agent.expect("testMonitorPlugin")
    assert request["plugin_id"] == "open_files"
    for request_id in ("r-unknown", None, ["x"], request["request_id"], request["request_id"]):
        await agent.send(
            "monitorPluginTestResult", {**request, "request_id": request_id, "result": "5", "stderr": "e"}
        )
    assert await waiting == {"code": 0, **request, "result": "5", "stderr": "e"}


async def test_monitor_plugins_are_for_their_groups_alone(agent: Agent, admin: Client) -> None:
    """Better: a disabled plugin stays with the conductor, and secrets go where the plugin runs."""
    plugin = {"title": "P", "type": "monitor", "command": "true", "enabled": True}
    made = [
        (await admin.call("create_plugin", **{**plugin, **more}))["plugin"]["id"]
        for more in ({"groups": ["nowhere"]}, {"groups": ["main"]}, {"enabled": False})
    ]
    secret = {"title": "S", "fields": [{"name": "TOKEN", "value": "hush"}], "plugins": made}
    secret_id = (await admin.call("create_secret", **secret))["secret"]["id"]
    try:
        await agent.leave()
        await agent.open()
        sent = {one["id"]: one for one in (await agent.join())["commands"]}
        assert sorted(sent) == sorted(["open_files", made[1]])
        assert (sent[made[1]]["sec"], sent[made[1]]["groups"]) == ({"TOKEN": "hush"}, ["main"])
        assert (sent["open_files"]["sec"], sent["open_files"]["groups"]) == ({}, [])
        await admin.call("update_secret", id=secret_id, fields=[{"name": "TOKEN", "value": "new"}])
        while True:
            update = await agent.expect("update")
            found = {one["id"]: one["sec"] for one in update.get("commands", ())}
            if found.get(made[1]) == {"TOKEN": "new"}:
                break
    finally:
        await admin.call("delete_secret", id=secret_id)
        for id in made:
            await admin.call("delete_plugin", id=id)


async def test_monitors_of_a_real_satellite(deployment: Deployment, client: Client) -> None:
    """It samples a second after it joined, and each second; a monitor of an exporter's metric follows from a plugin."""
    [server] = (await client.call("get_active_servers"))["rows"]

    async def sampled() -> Any:
        try:
            return await client.call("get_latest_monitor_data", server=server["id"], sys="hourly", limit=1)
        except ApiError:
            return None  # it has sent none yet

    answer = await eventually(sampled, "the first minute sample")
    totals = answer["rows"][0]["totals"]
    assert len(totals) == 15
    for id in ("mem_used", "mem_free", "total_procs", "disk_usage_root", "open_files"):
        assert totals[id] > 0, id
    plugin = {"title": "P", "type": "monitor", "enabled": True, "groups": [], "format": "prometheus"}
    plugin_id = (await client.call("create_plugin", **plugin, command="/bin/echo up 1"))["plugin"]["id"]

    async def tested() -> bool:
        tested = await client.call("test_monitor_plugin", id=plugin_id, server=server["id"])
        return bool(tested["result"] == {"up": 1})

    await eventually(tested, "the satellite knows the new plugin")

    async def quick() -> bool:
        rows = (await client.call("get_quickmon_data", server=server["id"]))["servers"][server["id"]]
        return len(rows) > 1 and all(row["_qm_mem_used"] > 0 for row in rows)

    await eventually(quick, "quick monitors")


async def test_a_snapshot_that_is_asked_for_shows_the_host_as_it_is_now(
    deployment: Deployment, client: Client
) -> None:
    """snapshots.md, "Where to be better" 4: collected on demand, and the monitors' minute does not notice."""
    id = deployment.server_id

    async def sampled() -> Any:
        with suppress(ApiError):
            return (await client.call("get_server", id=id))["data"]

    last = await eventually(sampled, "it has sampled")
    began = time.time()
    snapshot = (await client.call("create_snapshot", server=id))["id"]
    assert time.time() - began < 3, "it did not wait for a satellite that cannot"
    (row,) = (await client.call("search_snapshots", query=f"#id:{snapshot}", verbose=1))["rows"]
    assert row["fresh"] is True
    assert int(began) <= row["date"] <= time.time()
    data = row["data"]
    assert data["monitors"] == last["data"]["monitors"]
    assert data["uptime_sec"] > last["data"]["uptime_sec"]
    assert data["processes"]["list"]
    assert "commands" in data
    after = (await client.call("get_server", id=id))["data"]
    assert after["date"] == last["date"] or after["date"] > row["date"]


async def test_monitors_samples_are_spread_over_the_fleet_as_it_is_now(alone: Station) -> None:
    """Better: satellites learn that the fleet has grown."""
    agents = [alone.agent("") for _ in range(11)]
    try:
        for agent in agents:
            await agent.open()
            await agent.join()
        while (await agents[0].expect("update")).get("numServers", 0) < len(agents):
            pass
    finally:
        for agent in agents:
            await agent.leave()


async def test_timelines_outlive_a_killed_primary_and_count_no_sample_twice(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Better: a bucket is written whole; what comes again after the kill is known."""
    environment = {"OPSORBIT_METRICS_MONITORS": "false"}
    async with (
        station(tmp_path_factory.mktemp("c"), **environment) as own,
        own.client() as admin,
        own.agent("") as agent,
    ):
        await agent.join()
        await monitored(agent)

        async def written() -> bool:
            with closing(sqlite3.connect(own.conductor.data / "opsorbit.db")) as database:
                return bool(database.execute("SELECT count(*) FROM timelines").fetchone()[0])

        await eventually(written, "the sample is written")
        await own.conductor.kill()
        own.conductor.start()
        await own.conductor.ready()
        await agent.rejoin()
        await monitored(agent)
        for system in SYSTEMS:
            rows = (await admin.call("get_latest_monitor_data", server=agent.id, sys=system, limit=0))["rows"]
            minutes = {int(time.time()) // 60, rows[0]["date"] // 60}
            assert all(row["totals"]["load_avg"] == 0.5 * row["count"] for row in rows if "totals" in row)
            if system == "hourly":
                assert all(row["count"] == 1 for row in rows if "totals" in row)
                counted = len([row for row in rows if "totals" in row])
                assert counted <= len(minutes)
            assert sum(row.get("count", 0) for row in rows) == counted
        assert "opsorbit_monitor_load_avg" not in await scraped(own)


async def test_samples_of_an_outage_reach_the_timeline_over_the_wire(alone: Station, admin: Client) -> None:
    """Better: what was measured during a cut is sent after it, and acknowledged when it is stored."""
    async with alone.agent(ACKNOWLEDGED) as agent:
        await agent.join()
        now = time.time()
        minutes = [now // 60 * 60 + 5 - 60 * ago for ago in (5, 4, 3)]
        samples = [{"date": date, "data": {"load": [ago, 0, 0]}} for ago, date in enumerate(minutes)]
        for bad in (
            {},
            {"batch": 1, "now": now, "samples": [{}]},
            {"batch": 1, "now": now, "samples": samples * 4},
        ):
            await agent.send("late_samples", bad)
        await agent.send("late_samples", {"batch": 7, "now": now, "samples": samples})
        await agent.send("monitor", {"data": {"load": [9, 0, 0]}})
        assert await agent.expect("late_ack") == {"batch": 7}
        asked = {"server": agent.id, "sys": "hourly", "date": int(minutes[0]), "limit": 3}
        rows = (await admin.call("get_historical_monitor_data", **asked))["rows"]
        assert [row["totals"]["load_avg"] for row in rows] == [0, 1, 2]
