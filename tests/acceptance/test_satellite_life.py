"""Satellites going out of service and sharing an ID, at a real conductor."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from satellite.drain import DRAINED
from tests.acceptance.agent import Station, station
from tests.acceptance.jobs import finished, get_job, start
from tests.processes import Client, Satellite, enrol, eventually, joined


@pytest_asyncio.fixture
async def place(tmp_path: Path) -> AsyncIterator[tuple[Station, Client]]:
    async with station(tmp_path) as running, running.client() as client:
        yield running, client


async def servers(client: Client) -> dict[str, dict[str, Any]]:
    return {row["id"]: row for row in (await client.call("get_active_servers"))["rows"]}


async def test_a_draining_satellite_is_seen_and_gets_nothing_new(
    place: tuple[Station, Client], tmp_path: Path
) -> None:
    running, client = place
    first, first_id = await enrol(client, running.conductor, tmp_path / "first")
    second, second_id = await enrol(client, running.conductor, tmp_path / "second")
    first.start()
    second.start()
    try:
        await joined(client, first, first_id)
        await joined(client, second, second_id)
        gate = tmp_path / "gate"
        job_id = await start(
            client, f'echo up; while [ ! -e "{gate}" ]; do sleep 0.05; done', targets=[first_id]
        )
        await _on(client, job_id, first_id)
        drain = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "satellite.main", "--data-dir", str(first.data), "drain",
            stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip

        async def seen() -> bool:
            return bool((await servers(client))[first_id].get("draining"))

        await eventually(seen, "the conductor shows that it drains")
        listed = (await client.call("get_satellites"))["rows"]
        assert {row["id"]: row["draining"] for row in listed} == {first_id: True, second_id: False}
        for _ in range(4):
            other = await finished(client, await start(client, "exit 0", targets=[first_id, second_id]))
            assert other["server"] == second_id
        gate.touch()
        assert (await finished(client, job_id))["code"] == 0
        assert await drain.wait() == 0
        assert await first.exited(10) == DRAINED
        first.start()
        await joined(client, first, first_id)
        assert "draining" not in (await servers(client))[first_id]
    finally:
        await first.stop()
        await second.stop()


async def test_a_second_satellite_with_one_id_is_refused_until_the_first_is_gone(
    place: tuple[Station, Client], tmp_path: Path
) -> None:
    """The original lets two clones of one host steal the session from each other for ever."""
    running, client = place
    first, server_id = await enrol(client, running.conductor, tmp_path / "first")
    folder = tmp_path / "clone"
    folder.mkdir()
    config = msgspec.json.decode(first.config.read_bytes())
    (folder / "config.json").write_bytes(msgspec.json.encode(config | {"auth_retry_delay_sec": 0.5}))
    clone = Satellite(folder, folder / "config.json")
    first.start()
    try:
        await joined(client, first, server_id)
        socket_id = (await servers(client))[server_id]["socket_id"]
        clone.start()
        await clone.until(
            lambda: "the conductor refused us" in clone.output(), 15, "it says that it was refused"
        )
        assert "A second satellite with the same ID was refused" in clone.output()
        assert running.log_lines("A second satellite with the same ID was refused", server_id)
        assert (await servers(client))[server_id]["socket_id"] == socket_id
        await first.kill()

        async def taken_over() -> bool:
            record = (await servers(client)).get(server_id)
            return record is not None and record["socket_id"] != socket_id

        await eventually(taken_over, "the clone is let in once the first is gone")
    finally:
        await first.stop()
        await clone.stop()


async def _on(client: Client, job_id: str, server_id: str) -> None:
    async def runs() -> bool:
        job = await get_job(client, job_id)
        return job.get("server") == server_id and job.get("state") == "active"

    await eventually(runs, "the job runs")
