"""A large fleet: simulated satellites that have joined and report, and what their conductor needs for it."""

import asyncio
import contextlib
import time

import psutil

from conductor.cli.client import Client
from conductor.cli.deployment import Deployment
from conductor.cli.fleet.simulation import Simulation
from shared.protocol.frames import SUBPROTOCOL
from tests.benchmarks.report import Figure

_JOIN_SECONDS = 180.0
_SAMPLE_SECONDS = 60.0
_POLL = 0.05
_MB = 1024 * 1024


async def crowd(deployment: Deployment, size: int, seconds: float) -> list[Figure]:
    """Joins a second until all are there, then CPU and memory while each sends a sample a minute."""
    conductor = psutil.Process(deployment.conductor.pid)
    before = conductor.memory_info().rss
    async with Client(deployment.url, deployment.api_key) as client:
        simulation = Simulation(client, size, subprotocol=SUBPROTOCOL, sample_seconds=_SAMPLE_SECONDS)
        started = time.perf_counter()
        running = asyncio.create_task(simulation.run(lambda _: None))
        try:
            async with asyncio.timeout(_JOIN_SECONDS):
                while len(simulation.online) < size:
                    await asyncio.sleep(_POLL)
            joined = time.perf_counter() - started
            busy, clock = _busy(conductor), time.perf_counter()
            await asyncio.sleep(seconds)
            share = (_busy(conductor) - busy) / (time.perf_counter() - clock) * 100
            grown = conductor.memory_info().rss - before
        finally:
            running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await running
    name = f"{size} simulated satellites"
    note = f"{simulation.tally.failures} failures, {simulation.tally.losses} lost"
    return [
        Figure(f"{name}, joins", size / joined, "joins/s", note=note),
        Figure(f"{name}, conductor CPU", share, "% of a core", lower_is_better=True),
        Figure(f"{name}, conductor memory more", grown / _MB, "MB", lower_is_better=True),
    ]


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
