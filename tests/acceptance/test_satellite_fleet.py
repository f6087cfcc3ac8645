"""Many satellites: simulated ones that stay and come back, floods of joins, half-open sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio
from aiohttp import WSServerHandshakeError

from conductor.cli.fleet.simulation import Simulation
from shared.protocol.frames import SUBPROTOCOL
from tests.acceptance.agent import ACKNOWLEDGED, Station, station
from tests.processes import LOOPBACK, eventually

SIZE = 40


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    async with station(
        tmp_path_factory.mktemp("w"),
        OPSORBIT_MAX_SOCKETS_PER_IP="60",
        OPSORBIT_PING_FREQ_SEC="0.5",
        OPSORBIT_WEBSERVER__TIMEOUT="1.5",
        OPSORBIT_PING_TIMEOUT_SEC="2",
    ) as running:
        yield running


@pytest.mark.parametrize("subprotocol", ["", SUBPROTOCOL], ids=["base", "opsorbit.v1"])
async def test_a_simulated_fleet_joins_reports_and_comes_back(crowded: Station, subprotocol: str) -> None:
    async with crowded.client() as client:
        simulation = Simulation(client, SIZE, subprotocol=subprotocol, sample_seconds=1.0)
        said: list[str] = []
        running = asyncio.create_task(simulation.run(said.append))

        async def all_online() -> bool:
            return len(simulation.online) == SIZE

        try:
            await eventually(all_online, "all have joined", 20)
            rows = {row["id"]: row for row in (await client.call("get_satellites"))["rows"] if row["online"]}
            assert {one.id for one in simulation.satellites} <= set(rows)
            assert all(rows[one.id]["proven"] == bool(subprotocol) for one in simulation.satellites)

            async def sampled() -> bool:
                return simulation.tally.samples >= SIZE

            await eventually(sampled, "they send samples")
            event = await client.call(
                "create_event", title="Any", enabled=True, category="general", plugin="shellplug",
                targets=[one.id for one in simulation.satellites], params={"script": "#!/bin/sh\n"},
                triggers=[{"type": "manual", "enabled": True}],
            )  # fmt: skip
            job = (await client.call("run_event/v1/wait", id=event["event"]["id"]))["job"]
            assert job["code"] == 0
            await crowded.conductor.kill()
            crowded.conductor.start()
            await crowded.conductor.ready()

            async def back() -> bool:
                return simulation.tally.joins >= 2 * SIZE and len(simulation.online) == SIZE

            await eventually(back, "all have come back", 30)
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
        assert said[-1].count("jobs") == 1


async def test_reconnecting_without_a_pause_leaves_nothing_behind(crowded: Station) -> None:
    """A thousand reconnects a minute are seventeen in a second; here they are as many as there can be."""
    async with crowded.client() as client, crowded.agent(ACKNOWLEDGED) as agent:
        await agent.join()
        for _ in range(60):
            await agent.leave()
            await agent.open()
            await agent.hello()
            await agent.send("join", {"token": agent.token})
            await agent.expect("joined")
        rows = (await client.call("get_active_servers"))["rows"]
        assert [row["id"] for row in rows].count(agent.id) == 1

        async def few() -> bool:
            return len(open_sockets(crowded)) <= 3

        await eventually(few, "the older sockets are gone")


async def test_sockets_that_never_join_are_bounded(crowded: Station) -> None:
    """Better 9: unauthenticated sockets live 30 s; here an address may have so many of them, and no more."""
    async with crowded.client() as client:
        opened = []
        refused = 0
        try:
            for _ in range(70):
                agent = crowded.agent(ACKNOWLEDGED)
                try:
                    await agent.open()
                except WSServerHandshakeError as error:
                    refused += error.status == 429
                opened.append(agent)
            assert refused == 10
            assert (await client.call("get_active_servers"))["code"] == 0
        finally:
            for agent in opened:
                await agent.leave()

    async def room() -> bool:
        agent = crowded.agent(ACKNOWLEDGED)
        try:
            await agent.open()
        except WSServerHandshakeError:
            return False
        finally:
            await agent.leave()
        return True

    await eventually(room, "there is room again")


async def test_a_half_open_socket_is_noticed(crowded: Station) -> None:
    """The peer is gone without a farewell, as after a cut of the network: nobody answers any more."""
    async with crowded.client() as client, crowded.agent(ACKNOWLEDGED) as agent:
        await agent.join()
        agent.answers = False
        agent.stop_reading()

        async def gone() -> bool:
            rows = (await client.call("get_active_servers"))["rows"]
            return agent.id not in [row["id"] for row in rows]

        await eventually(gone, "it counts as offline", 8)


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websock"])
async def test_a_connection_on_which_nothing_is_asked_does_not_stay(crowded: Station, sent: bytes) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, crowded.conductor.port)
    try:
        writer.write(sent)
        async with asyncio.timeout(8):
            with suppress(ConnectionError):
                assert await reader.read() == b""
    finally:
        writer.close()


def open_sockets(running: Station) -> list[str]:
    """The conductor's established connections, of this host's table."""
    port = f"{running.conductor.port:04X}"
    address = socket.inet_aton(LOOPBACK)[::-1].hex().upper()
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table]
    return [row[1] for row in rows if row[1] == f"{address}:{port}" and row[3] == "01"]
