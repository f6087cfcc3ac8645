"""Pings, and the end of those who do not answer (contract satellite_protocol.md §1.1)."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.acceptance.agent import Agent, Station, server_of, station
from tests.processes import Client, eventually

EVERY, LONGEST = 0.5, 1.5
"""Seconds between pings, and how long an answer may take. The conductor looks once a second."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    async with station(
        tmp_path_factory.mktemp("c"),
        OPSORBIT_PING_FREQ_SEC=str(EVERY),
        OPSORBIT_PING_TIMEOUT_SEC=str(LONGEST),
    ) as running:
        yield running


async def test_pings_tell_how_long_the_last_answer_took(alone: Station) -> None:
    """Sockets that have not joined are pinged too; an answer to no ping of ours counts for nothing."""
    async with alone.agent("") as prompt, alone.agent("opsorbit.v1") as too, alone.agent("") as wrong:
        wrong.answers = False
        for answer in ({"id": "eother"}, {"id": None}, {"id": [1]}, {}, [], "x", None, 7):
            await wrong.send("echoback", answer)
        for agent in (prompt, too):
            pings = [await agent.expect("echo") for _ in range(2)]
            assert all(set(ping) == {"id", "last_ping_ms"} for ping in pings)
            assert pings[0]["id"] != pings[1]["id"]
            assert pings[0]["last_ping_ms"] == 0
            assert 0 <= pings[1]["last_ping_ms"] < LONGEST * 1000
        assert [(await wrong.expect("echo"))["last_ping_ms"] for _ in range(2)] == [0, 0]


async def test_who_does_not_answer_is_dropped_and_its_server_leaves(alone: Station, admin: Client) -> None:
    """Silent, deaf to what was asked, or with its host gone while the connection is open still."""
    async with (
        alone.agent("") as silent,
        alone.agent("opsorbit.v1") as wrong,
        alone.agent("") as half_open,
        alone.agent("opsorbit.v1") as stranger,
        alone.agent("") as alive,
    ):
        joined = (silent, wrong, half_open, alive)
        for agent in joined:
            await agent.join()
            assert await server_of(admin, agent)
        begun = time.monotonic()
        silent.answers = wrong.answers = stranger.answers = False
        half_open.stop_reading()
        answering = asyncio.create_task(_answer_wrongly(wrong))
        await asyncio.gather(silent.closed(), wrong.closed(), stranger.closed(), _left(admin, half_open))
        answering.cancel()
        assert LONGEST - EVERY <= time.monotonic() - begun < LONGEST + 4
        for agent in (silent, wrong):
            await _left(admin, agent)
        await alive.settled()
        assert await server_of(admin, alive), "who answers stays"


async def _left(client: Client, agent: Agent) -> None:
    async def gone() -> bool:
        return await server_of(client, agent) is None

    await eventually(gone, f"{agent.id} has left")


async def _answer_wrongly(agent: Agent) -> None:
    while True:
        await agent.expect("echo", timeout=60)
        await agent.send("echoback", {"id": "eother"})
