"""Samples of servers: taken raw, shown by `get_server` (satellite_protocol.md §5.6, monitoring.md §3)."""

import asyncio
import time
from typing import Any

import pytest

from tests.acceptance.agent import ACKNOWLEDGED, Agent, Station, server_of, station
from tests.processes import ApiError, Client

DATA: dict[str, Any] = {
    "load": [0.4, 0.5, 0.4],
    "jobs": 1,
    "cpu": {"avgLoad": 0.41, "currentLoad": 12.5},
    "memory": {"total": 16_777_216_000, "active": 5_000_000_000},
    "process": {"pid": 7},
    "anything": {"kept": ["as", "it", "came", None, 1.5]},
}


async def _within_one_minute() -> int:
    """The minute, with enough of it left for a test that must not see the next one."""
    while time.time() % 60 > 57:
        await asyncio.sleep(0.1)
    return int(time.time()) // 60


async def _monitor(agent: Agent, data: Any, **message: Any) -> None:
    sample = {
        "version": "1.0",
        "date": time.time(),
        "server": agent.id,
        "hostname": agent.hostname,
        "data": data,
    }
    await agent.send("monitor", {**sample, **message})
    await agent.settled()


def _as_sent(sample: Any) -> Any:
    """A host record's data without what the conductor adds."""
    return {key: value for key, value in sample["data"].items() if key not in ("monitors", "deltas")}


async def test_a_sample_is_shown_as_it_came(agent: Agent, admin: Client) -> None:
    with pytest.raises(ApiError):
        await admin.call("get_server", id=agent.id)
    await _monitor(agent, DATA)
    answer = await admin.call("get_server", id=agent.id)
    assert answer["online"] is True
    assert answer["server"]["id"] == agent.id
    sample = answer["data"]
    assert _as_sent(sample) == DATA
    assert sample["data"]["monitors"]["load_avg"] == 0.4
    assert (sample["server"], sample["hostname"], sample["groups"]) == (agent.id, agent.hostname, ["main"])
    assert sample["version"] == "1.0"
    assert abs(sample["date"] - time.time()) < 30
    server = await server_of(admin, agent)
    assert server
    assert server["info"]["memory"] == DATA["memory"]
    assert server["info"]["cpu"] == {**DATA["cpu"], "combo": "AMD EPYC 7763"}
    assert server["info"]["os"]["distro"] == "Ubuntu"


async def test_a_sample_is_of_the_server_that_sends_it(agent: Agent, alone: Station, admin: Client) -> None:
    async with alone.agent(agent.subprotocol) as other:
        await other.join()
        await _monitor(other, DATA, server=agent.id, hostname="another.lan")
        with pytest.raises(ApiError):
            await admin.call("get_server", id=agent.id)
        assert (await admin.call("get_server", id=other.id))["data"]["hostname"] == other.hostname


async def test_of_one_minute_the_first_sample_counts(agent: Agent, admin: Client) -> None:
    minute = await _within_one_minute()
    await _monitor(agent, {"load": [1, 1, 1]})
    await _monitor(agent, {"load": [2, 2, 2]})
    await agent.rejoin()
    await _monitor(agent, {"load": [3, 3, 3]})
    sample = (await admin.call("get_server", id=agent.id))["data"]
    assert int(time.time()) // 60 == minute
    assert _as_sent(sample) == {"load": [1, 1, 1]}


async def test_a_sample_outlives_its_server(agent: Agent, admin: Client) -> None:
    await _monitor(agent, DATA)
    await agent.leave()
    answer = await admin.call("get_server", id=agent.id)
    assert _as_sent(answer["data"]) == DATA


ABSURD: list[Any] = [
    None, [], "text", 7, {}, {"data": None}, {"data": []}, {"data": "x"}, {"data": {"cpu": [1], "memory": "big"}},
    {"data": {"cpu": {"combo": 7}}, "version": {"a": 1}}, {"data": {"\x00": "\x00"}, "date": "yesterday"},
    {"data": {"load": [1e308, -1, "x"], "processes": {"list": 5}, "jobs": {"a": 1}}, "hostname": 7, "server": None},
]  # fmt: skip


@pytest.mark.parametrize("command", ["monitor", "quickmon"])
async def test_absurd_samples_survive(agent: Agent, admin: Client, command: str) -> None:
    for sample in ABSURD:
        await agent.send(command, sample)
    await agent.settled()
    await admin.call("get_active_servers")
    assert await server_of(admin, agent)


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


HUGE = {"memory": {"total": 10**300}}
KEYS: list[Any] = [{"memory": {None: 1}}, {"memory": {(1, 2): 1}}, {"memory": {True: 1}}]


@pytest.mark.parametrize("command", ["monitor", "quickmon"])
async def test_a_sample_that_cannot_be_stored_keeps_no_other_from_it(
    alone: Station, admin: Client, subprotocol: str, command: str
) -> None:
    """Lists of servers can be read with its sender among them, and others' samples are taken."""
    for data in [{"memory": _deep(900)}, *(KEYS if subprotocol == ACKNOWLEDGED else [HUGE])]:
        async with alone.agent(subprotocol) as bad, alone.agent(subprotocol) as good:
            await bad.join()
            await good.join()
            await bad.send(command, {"version": "1.0", **data, "data": data})
            await bad.settled()
            assert await server_of(admin, bad)
            await _monitor(good, DATA)
            assert _as_sent((await admin.call("get_server", id=good.id))["data"]) == DATA
    assert not alone.log_lines("a part of the conductor failed")


async def test_stored_samples_are_there_after_a_restart(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also those that came after one that could not be stored."""
    async with station(tmp_path_factory.mktemp("c")) as own, own.client() as admin:
        async with own.agent("") as bad, own.agent("") as good:
            await bad.join()
            await good.join()
            await _monitor(bad, {"memory": {"nested": _deep(900)}})
            await _monitor(good, DATA)
        await own.conductor.stop()
        own.conductor.start()
        await own.conductor.ready()
        answer = await admin.call("get_server", id=good.id)
        assert (answer["online"], _as_sent(answer["data"])) == (False, DATA)
