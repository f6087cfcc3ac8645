"""The conductor alone: jobs through simulated satellites that finish at once, and their samples."""

import asyncio
import time

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
    """Minute samples as fast as the conductor takes them; it has one when it answers a later ping.

    A conductor keeps one sample of a server each minute and drops the others, so each round is another fleet.
    """
    sample = minute_sample()
    elapsed, count = 0.0, 0
    for _ in range(target.size.sample_rounds):
        async with fleet(target.client, target.size.satellites) as satellites:
            started = time.perf_counter()
            async with asyncio.timeout(_SAMPLES_TIMEOUT), asyncio.TaskGroup() as group:
                for satellite in satellites:
                    group.create_task(satellite.send_samples(sample, 1))
            elapsed += time.perf_counter() - started
            count += len(satellites)
    name = f"monitor samples of 27 KB, {target.size.satellites} satellites"
    return [Figure(name, count / elapsed, "samples/s", original=_ORIGINAL_SAMPLES, note=f"{count} samples")]
