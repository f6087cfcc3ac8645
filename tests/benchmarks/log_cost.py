"""What the causal event log costs: jobs a second with it and without, and the events written along with them.

Two conductors stand side by side, one of them keeps no log. They are measured in turn, many times, so that
whatever else the machine does meets both; the figure is the median of the ratios of neighbours.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec

from conductor.cli.client import Client
from conductor.cli.deployment import administrator_key
from conductor.cli.fleet.satellite import fleet
from conductor.cli.processes import Conductor
from shared.ids import password as new_password
from shared.protocol.frames import SUBPROTOCOL
from tests.benchmarks.report import Figure
from tests.benchmarks.target import CONCURRENCY, Size, Target

_SATELLITES = 4
_SECONDS = 60.0
_WITHOUT = "tests.benchmarks.unlogged:main"
_LEARNED_WITHIN = 10.0


@dataclass(slots=True)
class _Side:
    """One of the two conductors."""

    target: Target
    event_id: str
    conductor: Conductor
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Milliseconds of processor time of a job."""

    async def run(self, jobs: int) -> None:
        before = self._cpu_seconds()
        load = await self.target.run(self.event_id, connections=CONCURRENCY, count=jobs, seconds=_SECONDS)
        self.rates.append(load.rate)
        self.cpu.append((self._cpu_seconds() - before) * 1000 / load.done)

    def _cpu_seconds(self) -> float:
        """Of all threads of the conductor, without its Redis."""
        tasks = Path(f"/proc/{self.conductor.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


async def log_cost(folder: Path, size: Size) -> list[Figure]:
    async with AsyncExitStack() as stack:
        logged = await stack.enter_async_context(_side(folder / "with", size))
        unlogged = await stack.enter_async_context(_side(folder / "without", size, _WITHOUT))
        for side in (logged, unlogged):
            await side.run(size.log_jobs)
            side.rates.clear()
            side.cpu.clear()
        events = -await _events(logged.target)
        for number in range(size.log_rounds):
            for side in (logged, unlogged) if number % 2 else (unlogged, logged):
                await side.run(size.log_jobs)
        jobs = size.log_rounds * size.log_jobs
        events += await _settled(logged.target)
    ratios = [a / b for a, b in zip(logged.rates, unlogged.rates, strict=True)]
    cpu = [a / b for a, b in zip(logged.cpu, unlogged.cpu, strict=True)]
    rate = median(logged.rates)
    note = f"medians of {size.log_rounds} rounds of {size.log_jobs} jobs in turn"
    spread = f"rounds from {min(ratios):.3f} to {max(ratios):.3f}"
    return [
        Figure("jobs with the event log", rate, "jobs/s", note=note),
        Figure("jobs without it", median(unlogged.rates), "jobs/s"),
        Figure("with / without, jobs/s", 100 * median(ratios), "%", note=spread),
        Figure("processor time of a job, with / without", 100 * median(cpu), "%", lower_is_better=True,
               note=f"{median(logged.cpu):.2f} ms, {median(unlogged.cpu):.2f} ms"),
        Figure("events written along with them", rate * events / jobs, "events/s",
               note=f"{events / jobs:.2f} events a job"),
    ]  # fmt: skip


@asynccontextmanager
async def _side(folder: Path, size: Size, entry: str = "conductor.main:main") -> AsyncIterator[_Side]:
    password = new_password()
    conductor = Conductor(folder, environment={"OPSORBIT_ADMIN_PASSWORD": password}, entry=entry)
    conductor.start()
    try:
        await conductor.ready()
        api_key = await administrator_key(conductor.url, password)
        async with (
            Client(conductor.url, api_key) as client,
            fleet(client, _SATELLITES, SUBPROTOCOL) as satellites,
        ):
            target = Target(client, api_key, size)
            targets = [satellite.id for satellite in satellites]
            event_id = await target.create_event("Benchmark: event log", targets, "#!/bin/sh\ntrue\n")
            yield _Side(target, event_id, conductor)
    finally:
        await conductor.stop()


async def _events(target: Target) -> int:
    page = msgspec.json.decode(await target.client.fetch("/api/v1/events", limit="1"))
    return int(page["total"])


async def _settled(target: Target) -> int:
    """How many events there are once nothing is on its way into the log."""
    async with asyncio.timeout(_LEARNED_WITHIN):
        count = -1
        while count != (now := await _events(target)):
            count = now
            await asyncio.sleep(0.5)
    return count
