"""The conductor alone: jobs through simulated satellites that finish at once, and their samples."""

import asyncio
import re
import time

from conductor.cli.client import ApiError
from conductor.cli.fleet.sample import minute_sample
from conductor.cli.fleet.satellite import fleet
from shared.protocol.frames import SUBPROTOCOL
from tests.benchmarks.report import Figure
from tests.benchmarks.target import CONCURRENCY, Target

_SATELLITES = 4
_SECONDS = 60.0
_WARM_UP_SECONDS = 15.0
_SAMPLES_TIMEOUT = 120.0
_ORIGINAL_SAMPLES = 330.0


async def simulated_jobs(target: Target) -> list[Figure]:
    """Both ways of speaking to the fleet, the second only where the server offers it."""
    figures = await _jobs(target, "base protocol", "")
    extended = await _jobs(target, SUBPROTOCOL, SUBPROTOCOL)
    return [*figures, *extended]


async def _jobs(target: Target, label: str, subprotocol: str) -> list[Figure]:
    async with fleet(target.client, _SATELLITES, subprotocol) as satellites:
        if subprotocol and not satellites[0].acknowledges:
            return []
        targets = [satellite.id for satellite in satellites]
        event_id = await target.create_event(f"Benchmark: simulated, {label}", targets, "#!/bin/sh\ntrue\n")
        await target.run(event_id, connections=1, count=20, seconds=_WARM_UP_SECONDS)
        single = await target.run(event_id, connections=1, count=target.size.single_jobs, seconds=_SECONDS)
        many = await target.run(
            event_id, connections=CONCURRENCY, count=target.size.simulated_jobs, seconds=_SECONDS
        )
    return [
        Figure(f"jobs, simulated satellites, {label}", many.rate, "jobs/s", 145, note=f"{many.done} jobs"),
        Figure(f"one job, simulated satellite, {label}, p50", single.p50, "ms", 10, lower_is_better=True),
    ]


async def samples(target: Target) -> list[Figure]:
    """Minute samples as fast as the conductor takes them: until the last satellite's timeline shows its own.

    A conductor keeps one sample of a server each minute and drops the others, so each round is another fleet.
    """
    sample = minute_sample()
    elapsed, count, cpu = 0.0, 0, 0.0
    for _ in range(target.size.sample_rounds):
        async with fleet(target.client, target.size.satellites) as satellites:
            cpu -= await _cpu_seconds(target)
            started = time.perf_counter()
            async with asyncio.timeout(_SAMPLES_TIMEOUT), asyncio.TaskGroup() as group:
                for satellite in satellites:
                    group.create_task(satellite.send_samples(sample, 1))
            await _shown(target, satellites[-1].id)
            elapsed += time.perf_counter() - started
            cpu += await _cpu_seconds(target)
            count += len(satellites)
    name = f"monitor samples of 27 KB, {target.size.satellites} satellites"
    figures = [
        Figure(name, count / elapsed, "samples/s", original=_ORIGINAL_SAMPLES, note=f"{count} samples")
    ]
    if cpu > 0:
        note = "first samples: each server's state is read, too"
        figures.append(
            Figure("CPU of such a sample", 1000 * cpu / count, "ms", lower_is_better=True, note=note)
        )
    return figures


async def _shown(target: Target, server_id: str) -> None:
    """Return when the server's timeline has a row."""
    async with asyncio.timeout(_SAMPLES_TIMEOUT):
        while True:
            try:
                await target.client.call("get_latest_monitor_data", server=server_id, sys="hourly", limit=1)
            except ApiError:
                await asyncio.sleep(0.01)
            else:
                return


async def _cpu_seconds(target: Target) -> float:
    """Processor time of the conductor, where it tells; else 0."""
    try:
        text = (await target.client.fetch("/metrics")).decode()
    except ApiError:
        return 0.0
    found = re.search(r"^process_cpu_seconds_total (\S+)", text, re.MULTILINE)
    return float(found[1]) if found else 0.0
