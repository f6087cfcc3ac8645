"""kill -9 of each part while at least twenty jobs are in flight: nothing is lost, nothing is doubled."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.chaos.cluster import cluster, redis_pid, restart

IN_FLIGHT = 24

pytestmark = pytest.mark.timeout(180)


async def test_killed_satellite(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        await running.create_event(lines=40, pause=0.1)
        await running.promise_many(IN_FLIGHT)
        await running.running(IN_FLIGHT)
        await restart(running.satellite)
        await running.settled()


async def test_killed_conductor(tmp_path: Path) -> None:
    """Some jobs run, some wait in the queue, and some calls are under way when it dies."""
    async with cluster(tmp_path) as running:
        limits = [
            {"type": "job", "enabled": True, "amount": 20},
            {"type": "queue", "enabled": True, "amount": 100},
        ]
        await running.create_event(lines=40, pause=0.1, limits=limits)
        await running.promise_many(IN_FLIGHT + 6)
        await running.running(20)
        calling = asyncio.create_task(running.promise_many(10))
        await restart(running.conductor)
        await calling
        await running.settled()


async def test_killed_redis(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        await running.create_event(lines=40, pause=0.1)
        await running.promise_many(IN_FLIGHT)
        await running.running(IN_FLIGHT)
        calling = asyncio.create_task(running.promise_many(6))
        os.kill(redis_pid(running.conductor), signal.SIGKILL)
        await calling
        await running.settled()


async def test_everything_killed_at_once(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        await running.create_event(lines=40, pause=0.1)
        await running.promise_many(IN_FLIGHT)
        await running.running(IN_FLIGHT)
        os.kill(redis_pid(running.conductor), signal.SIGKILL)
        await asyncio.gather(running.conductor.kill(), running.satellite.kill())
        running.conductor.start()
        running.satellite.start()
        await running.settled()


async def test_a_satellite_away_while_its_jobs_end(tmp_path: Path) -> None:
    """All jobs end while nobody watches; the next satellite finds log and exit status in their directories."""
    async with cluster(tmp_path) as running:
        await running.create_event(lines=10, pause=0.05)
        await running.promise_many(IN_FLIGHT)
        await running.running(IN_FLIGHT)
        await running.satellite.kill()
        jobs = Path(running.satellite.data) / "jobs"
        async with asyncio.timeout(30):
            while len(list(jobs.glob("*/exit"))) < IN_FLIGHT:
                await asyncio.sleep(0.05)
        running.satellite.start()
        await running.settled()
