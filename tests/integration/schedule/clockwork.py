"""A schedule on a real book: only its clock is turned by hand, and satellites are scripted."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from conductor.announcer import Signals
from conductor.errors import Deposed
from conductor.schedule.batches import PluginFiles
from conductor.schedule.launches import Launches
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.scheduler import Scheduler
from conductor.schedule.timekeeper import Timekeeper
from conductor.scheduled_jobs import ScheduledJobs
from conductor.signals import Signal
from tests.integration.jobs.house import TIMEOUT, House, Term, until

NOON = 1_792_929_600
"""2026-10-25 12:00 UTC."""

EVERY_MINUTE = {"type": "schedule", "enabled": True}
CATCH_UP = {"type": "catchup", "enabled": True}


class Clock:
    """Wall time that stands still until it is set."""

    def __init__(self, time: float = NOON + 5) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


class Clockwork:
    """One term with its schedule."""

    def __init__(self, term: Term, clock: Clock, keeper: Timekeeper, told: list[Signal]) -> None:
        self.term = term
        self.clock = clock
        self.keeper = keeper
        self.told = told

    @property
    def house(self) -> House:
        return self.term.house

    @property
    def scheduler(self) -> Scheduler:
        return self.keeper.scheduler

    async def at(self, time: float) -> None:
        """Turn the clock, and return when everything due then is promised."""
        self.clock.time = time
        scheduler = self.scheduler
        looks = scheduler.looks

        def looked() -> bool:
            scheduler.wake()
            return scheduler.looks >= looks + 2  # the first one may have begun before

        await until(looked, f"the schedule has looked at {time:.0f}")

    async def rest(self) -> None:
        """Let the schedule have its turn."""
        await asyncio.sleep(0)

    async def minutes(self, start: float, count: int) -> None:
        """One minute after the other, as they pass."""
        for number in range(count):
            await self.at(start + number * 60)

    def jobs(self, event_id: str = "") -> list[dict[str, Any]]:
        """The jobs that were made, in the order of their acceptance."""
        jobs = sorted(self.term.book, key=lambda job: job.id)
        return [job.job for job in jobs if not event_id or job.job["event"] == event_id]

    def times(self, event_id: str = "", start: float = NOON) -> list[float]:
        """Scheduled times of the jobs, counted from `start`."""
        return [job["now"] - start for job in self.jobs(event_id)]


@asynccontextmanager
async def clockwork(
    house: House,
    clock: Clock | None = None,
    *,
    files: PluginFiles | None = None,
    keeper: Timekeeper | None = None,
    launches: Callable[[ScheduledJobs], Launches] = lambda jobs: jobs,
    wait: float = TIMEOUT,
) -> AsyncIterator[Clockwork]:
    """A term with its schedule, whose clock is turned by `at`."""
    clock = clock or Clock()
    house.satellites.join("s1")  # or the jobs would end at once
    told: list[Signal] = []
    signals: Signals = vars(house.definitions)["_signals"]

    async def remember(signal: Signal) -> None:
        told.append(signal)

    house.signals = of_jobs = Signals()
    async with house.term() as term:
        plugins = TriggerPlugins(house.definitions, house.settings, "1.0")
        if keeper is None:
            keeper = Timekeeper(house.definitions, plugins, house.settings, signals, files=files, now=clock)
        else:
            vars(keeper)["_now"] = clock
        for some in (signals, of_jobs):
            some.subscribe("test", remember)
        signals.subscribe("schedule", keeper.observe)
        tasks = [
            asyncio.create_task(signals.run()),
            asyncio.create_task(of_jobs.run()),
            asyncio.create_task(keeper.run(launches(ScheduledJobs(term.engine)), term.book.firings)),
        ]
        work = Clockwork(term, clock, keeper, told)
        ours = keeper
        await until(lambda: vars(ours)["_scheduler"] is not None, "the schedule has begun")
        await until(lambda: work.scheduler.opened or tasks[-1].done(), "the schedule is open", wait)
        try:
            yield work
        finally:
            for task in reversed(tasks):
                task.cancel()
                with suppress(asyncio.CancelledError, Deposed, BaseExceptionGroup):
                    await task
