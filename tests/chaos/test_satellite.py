"""Satellites whose network is cut and who die, with many jobs: logs byte for byte, every result exactly once."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.chaos.cluster import Cluster, cluster, restart
from tests.chaos.wire import Wire
from tests.processes import eventually, joined

pytestmark = pytest.mark.timeout(180)


@asynccontextmanager
async def wired(folder: Path, **environment: str) -> AsyncIterator[tuple[Cluster, Wire]]:
    """A cluster whose satellite reaches its conductor by a wire alone; `environment` is the conductor's."""
    async with cluster(folder, environment=environment) as running, Wire(running.conductor.port) as wire:
        satellite = running.satellite
        await satellite.stop()
        config = msgspec.json.decode(satellite.config.read_bytes())
        config |= {
            "port": wire.port,
            "managed_keys": [],  # the conductor would set its own port
            "socket_reconnect_delay_sec": 0.1,
            "socket_reconnect_delay_max": 0.5,
        }
        satellite.config.write_bytes(msgspec.json.encode(config))
        satellite.start()
        await joined(running.client, satellite, config["server_id"])
        yield running, wire


async def test_a_hundred_jobs_through_cuts_kills_and_restarts(tmp_path: Path) -> None:
    chance = random.Random(7)
    async with wired(tmp_path) as (running, wire):
        limits = [{"type": kind, "enabled": True, "amount": 1000} for kind in ("job", "queue")]
        await running.create_event(lines=20, pause=0.05, limits=limits)
        calling = []
        for trouble in ("cut", "kill", "restart", "cut", "cut", "kill", "restart"):
            calling.append(asyncio.create_task(running.promise_many(15)))
            await asyncio.sleep(chance.uniform(0.1, 0.4))  # a place nobody chose
            before = wire.connections
            if trouble == "cut":
                wire.cut()
                await asyncio.sleep(chance.uniform(0, 0.3))
                wire.heal()
            elif trouble == "kill":
                await restart(running.satellite)
            else:
                await running.satellite.stop()
                running.satellite.start()
            await eventually(lambda before=before: _again(wire, before), "the satellite is back")
        await asyncio.gather(*calling)
        await running.settled()


async def _again(wire: Wire, before: int) -> bool:
    return wire.connections > before


async def test_fifty_jobs_end_while_the_network_is_cut(tmp_path: Path) -> None:
    async with wired(tmp_path) as (running, wire):
        gate = tmp_path / "gate"
        await running.create_event(lines=10, pause=0.1, gate=gate)
        await running.promise_many(50)
        await running.running(50)
        wire.cut()
        gate.touch()
        jobs = running.satellite.data / "jobs"

        async def ended() -> bool:
            return len(list(jobs.glob("*/exit"))) == 50

        await eventually(ended, "all jobs have ended", 60)
        assert (await running.client.call("search_jobs", query="*"))["rows"] == []
        wire.heal()
        await running.settled()

        async def forgotten() -> bool:
            return not [path for path in jobs.iterdir() if path.is_dir()]

        await eventually(forgotten, "every result was acknowledged")


async def test_results_and_logs_of_jobs_given_up_as_dead_arrive_after_an_hours_cut(tmp_path: Path) -> None:
    """The cut outlasts `dead_job_timeout`, as an hour does: what was aborted meanwhile is told as it was, once."""
    async with wired(tmp_path, OPSORBIT_DEAD_JOB_TIMEOUT="2") as (running, wire):
        gate = tmp_path / "gate"
        await running.create_event(lines=10, pause=0.1, gate=gate)
        await running.promise_many(50)
        await running.running(50)
        wire.cut()
        gate.touch()
        client, jobs = running.client, running.satellite.data / "jobs"

        async def given_up() -> bool:
            found = (await client.call("search_jobs", query="*", limit=100))["rows"]
            return len(found) == 50 and len(list(jobs.glob("*/exit"))) == 50

        await eventually(given_up, "all jobs have ended, and all are given up", 60)
        wire.heal()

        async def forgotten() -> bool:
            return not [path for path in jobs.iterdir() if path.is_dir()]

        await eventually(forgotten, "every result was acknowledged", 60)
        for job_id, number in running.promised.items():
            job = (await client.call("get_job", id=job_id))["job"]
            assert (job["code"], job["description"]) == (
                "warning",
                "Job was aborted, but received late update after completion.",
            )
            assert sum("post-completion" in row["msg"] for row in job["activity"]) == 1
            log = (await client.fetch("/api/app/get_job_log/v1", id=job_id)).decode()
            assert log == running.expected_log(number), f"log of job {job_id}"
            assert job["log_file_size"] == len(log)
            assert (running.ledger / number).read_text().split() == [job_id], f"runs of job {job_id}"
        rows = (await client.call("search_jobs", query="*", limit=100))["rows"]
        assert sorted(row["id"] for row in rows) == sorted(running.promised)


async def test_a_job_that_still_runs_after_a_long_cut_runs_to_its_end(tmp_path: Path) -> None:
    """It was given up and nothing took its place: it is not ended for the network's sake."""
    async with wired(tmp_path, OPSORBIT_DEAD_JOB_TIMEOUT="1.5") as (running, wire):
        gate = tmp_path / "gate"
        script = f'#!/bin/sh\necho one\nwhile [ ! -e "{gate}" ]; do sleep 0.05; done\necho two\n'
        await running.create_event(lines=0, pause=0, params={"script": script})
        job_id = await running.promise()
        client = running.client

        async def log() -> bool:
            return b"one" in await client.fetch("/api/app/tail_live_job_log/v1", id=job_id)

        async def code() -> object:
            return (await client.call("get_job", id=job_id))["job"].get("code")

        await eventually(log, "it runs")
        wire.cut()

        async def given_up() -> bool:
            return await code() == "abort"

        await eventually(given_up, "it is given up")
        before = wire.connections
        wire.heal()
        await eventually(lambda: _again(wire, before), "the satellite is back")
        gate.touch()

        async def late() -> bool:
            return await code() == "warning"

        await eventually(late, "its result is in the record")
        assert await client.fetch("/api/app/get_job_log/v1", id=job_id) == b"one\ntwo\n"


async def test_a_conductors_clock_that_jumps_ends_no_job(tmp_path: Path) -> None:
    """Time limits and the dead-job rule count seconds that passed, not what the clock says."""
    clock = tmp_path / "clock"
    async with cluster(tmp_path, environment={"OPSORBIT_CLOCK_STEP": str(clock)}) as running:
        limits = [{"type": "time", "enabled": True, "abort": True, "duration": 600}]
        await running.create_event(lines=60, pause=0.1, limits=limits)
        await running.promise_many(5)
        await running.running(5)
        for step in (7200, -7200):
            clock.write_text(str(step))
            await asyncio.sleep(2)  # time for the conductor to look at its jobs, and to act
        clock.write_text("0")
        await running.settled()
        for job_id in running.promised:
            assert 0 < (await running.client.call("get_job", id=job_id))["job"]["elapsed"] < 60


async def test_a_log_of_any_bytes_arrives_as_it_was_written(tmp_path: Path) -> None:
    async with wired(tmp_path) as (running, wire):
        copy = tmp_path / "copy"
        piece = f'head -c 400000 /dev/urandom | tee -a "{copy}"; sleep 0.1'
        script = f"#!/bin/sh\nfor i in 1 2 3 4 5 6 7 8; do {piece}; done\n"
        await running.create_event(lines=0, pause=0, params={"script": script})
        job_id = await running.promise()
        await eventually(lambda: _has(copy), "it writes")
        for _ in range(3):
            await asyncio.sleep(0.15)  # somewhere in the middle of a chunk
            wire.cut()
            wire.heal()
        await restart(running.satellite)

        async def archived() -> bool:
            return bool((await running.client.call("get_job", id=job_id))["job"].get("final"))

        await eventually(archived, "the job ended", 60)
        log = await running.client.fetch("/api/app/get_job_log/v1", id=job_id)
        assert log == copy.read_bytes()
        assert len(log) == 3_200_000


async def _has(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0
