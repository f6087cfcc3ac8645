"""Placement by what satellites measure: over the wire, through run_event, as explain_event tells it (jobs.md §7)."""

import asyncio
import time
from typing import Any

import pytest

from tests.acceptance.agent import ACKNOWLEDGED, Agent, Station
from tests.processes import ApiError, Client

BUSY: dict[str, Any] = {
    "load": [6.0, 6.0, 6.0],
    "cpu": {"avgLoad": 6.0, "cores": 8},
    "memory": {"total": 16e9, "active": 2e9},
}
IDLE: dict[str, Any] = {
    "load": [0.5, 0.5, 0.5],
    "cpu": {"avgLoad": 0.5, "cores": 8},
    "memory": {"total": 16e9, "active": 9e9},
}


async def measured(admin: Client, agent: Agent, data: dict[str, Any]) -> None:
    """Send a minute sample, with enough of the minute left for what follows, and return when it counts."""
    while time.time() % 60 > 50:
        await asyncio.sleep(0.1)
    await agent.send("monitor", {"version": "1.0", "date": time.time(), "server": agent.id, "data": data})
    await agent.settled()
    assert (await admin.call("get_server", id=agent.id))["data"]["data"]["monitors"]


async def run(admin: Client, algo: str, agents: tuple[Agent, Agent]) -> tuple[str, Any]:
    """Run an event on one of the two; answers its server, and what was to be expected."""
    made = await admin.call(
        "create_event",
        title="Placed",
        enabled=True,
        category="general",
        plugin="shellplug",
        targets=[agent.id for agent in agents],
        algo=algo,
        triggers=[{"type": "manual", "enabled": True}],
        params={"script": "true"},
    )
    event_id = made["event"]["id"]
    foreseen = (await admin.call("explain_event", id=event_id))["launch"]
    job_id = (await admin.call("run_event", id=event_id))["id"]
    launches = {asyncio.create_task(agent.launched(job_id)): agent for agent in agents}
    done, waiting = await asyncio.wait(launches, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()
    chosen = launches[done.pop()]
    await chosen.finish(job_id)
    return chosen.id, foreseen


async def test_better_10_the_least_of_a_monitor_a_load_or_a_memory_gets_the_job(
    alone: Station, admin: Client
) -> None:
    async with alone.agent(ACKNOWLEDGED) as busy, alone.agent(ACKNOWLEDGED) as idle:
        both = (busy, idle)
        for agent, data in ((busy, BUSY), (idle, IDLE)):
            await agent.join()
            await measured(admin, agent, data)

        server, foreseen = await run(admin, "monitor:load_avg", both)
        assert server == foreseen["server"]["id"] == idle.id
        assert {one["id"]: one["value"] for one in foreseen["candidates"]} == {busy.id: 6.0, idle.id: 0.5}
        assert all(abs(one["sampled"] - time.time()) < 60 for one in foreseen["candidates"])
        assert (await run(admin, "load_avg", both))[0] == idle.id, "a bare ID names the monitor as well"
        assert (await run(admin, "least_cpu", both))[0] == idle.id
        assert (await run(admin, "least_mem", both))[0] == busy.id
        server, foreseen = await run(admin, "prefer_first_natural", both)
        assert (server, "value" in foreseen["candidates"][0]) == (busy.id, False)

        # A satellite that comes back has told no load yet: it is not idle because it was gone.
        await busy.rejoin()
        server, foreseen = await run(admin, "monitor:load_avg", both)
        assert server == foreseen["server"]["id"] == idle.id
        assert (await run(admin, "least_cpu", both))[0] == idle.id

        # What was never measured is 0, as the contract has it.
        async with alone.agent(ACKNOWLEDGED) as silent:
            await silent.join()
            server, foreseen = await run(admin, "monitor:load_avg", (busy, silent))
            assert server == foreseen["server"]["id"] == silent.id
            [unknown] = [one for one in foreseen["candidates"] if one["id"] == silent.id]
            assert (unknown["value"], unknown["sampled"]) == (0, None)

        with pytest.raises(ApiError, match="algo"):
            await run(admin, "monitor:nosuch", both)
