"""What the processes cost while nothing happens, and how soon a conductor answers. Own processes only."""

import asyncio
import time
from pathlib import Path

import psutil

from conductor.cli.deployment import Deployment
from conductor.cli.processes import LOOPBACK, START_TIMEOUT, Conductor, ProcessError
from tests.benchmarks.report import Figure

_MB = 1024 * 1024
_RETRY = 0.005
_SETTLE = 4.0
"""Seconds after which the start is over: the first minute sample comes one second after the join."""
_HEALTHY = b" 200 "


async def start_up(folder: Path) -> list[Figure]:
    """Seconds from starting the process to the first answer as primary: on nothing, and on its own data."""
    conductor = Conductor(folder / "start-up")
    new = await _first_answer(conductor)
    again = await _first_answer(conductor)
    return [
        Figure("start to first answer, new data", new, "s", 0.5, lower_is_better=True),
        Figure("start to first answer, restart", again, "s", 0.5, lower_is_better=True),
    ]


async def idle(deployment: Deployment, seconds: float) -> list[Figure]:
    """CPU and resident memory of both processes, with the satellite connected and no job running."""
    conductor, satellite = psutil.Process(deployment.conductor.pid), psutil.Process(deployment.satellite.pid)
    await asyncio.sleep(_SETTLE)
    before = [_busy(conductor), _busy(satellite)]
    started = time.perf_counter()
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - started
    shares = [
        (_busy(process) - used) / elapsed * 100
        for process, used in zip((conductor, satellite), before, strict=True)
    ]
    return [
        Figure("conductor idle, CPU", shares[0], "% of a core", 0.4, lower_is_better=True),
        Figure("conductor idle, memory", _resident(conductor), "MB", 88, lower_is_better=True),
        Figure("its Redis, memory", sum(map(_resident, conductor.children(recursive=True))), "MB"),
        Figure("satellite idle, CPU", shares[1], "% of a core", 0.5, lower_is_better=True),
        Figure("satellite idle, memory", _resident(satellite), "MB", 65, lower_is_better=True),
    ]


async def _first_answer(conductor: Conductor) -> float:
    started = time.perf_counter()
    conductor.start()
    try:
        while not await _healthy(conductor.port):
            if not conductor.running or time.perf_counter() - started > START_TIMEOUT:
                raise ProcessError(f"the conductor did not come up\n{conductor.output()[-2000:]}")
            await asyncio.sleep(_RETRY)
        return time.perf_counter() - started
    finally:
        await conductor.stop()


async def _healthy(port: int) -> bool:
    try:
        reader, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return _HEALTHY in await reader.readline()
    finally:
        writer.close()


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _resident(process: psutil.Process) -> float:
    return float(process.memory_info().rss / _MB)
