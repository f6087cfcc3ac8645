"""The nightly round: what parts of the house register is done one after the other (contract platform.md §5)."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from conductor.administration import day
from conductor.administration.internal_jobs import InternalJob, InternalJobs
from conductor.definitions.state import GlobalState
from conductor.errors import Deposed, Refusal
from conductor.settings import Settings
from conductor.signals import Actor
from shared import clock

Task = Callable[[], Awaitable[object]]

_LOOK_SECONDS = 15.0
_MISSED = 26 * 3600
"""Seconds since the last round after which it is made up for: nobody was primary at its time."""

log = structlog.get_logger(__name__)


class Maintenance:
    """`register` what is to be done; `run` is the term's."""

    def __init__(self, jobs: InternalJobs, state: GlobalState, settings: Settings) -> None:
        self._jobs = jobs
        self._state = state
        self._settings = settings
        self._tasks: list[tuple[str, Task]] = []

    def register(self, name: str, task: Task) -> None:
        """`task` is awaited in each round; what it answers, a number of things removed, is logged and reported.

        It may be called again after having been broken off anywhere.
        """
        self._tasks.append((name, task))

    def start(self, title: str, username: str, actor: Actor | None = None) -> str:
        """Begin a round as an internal job; return its ID. Raises Refusal `admin` while another one runs."""
        return self._jobs.start(title, "maint", self.round, username=username, exclusive=True, actor=actor)

    async def round(self, job: InternalJob) -> None:
        """Everything once. What fails is reported and does not hold up the others."""
        report: list[str] = []
        for number, (name, task) in enumerate(self._tasks):
            job.progress(number / len(self._tasks))
            try:
                done = await task()
            except Refusal as refusal:
                report.append(f"- {name}: failed: {refusal.description}")
                log.warning("maintenance failed", part=name, reason=refusal.description)
            except (asyncio.CancelledError, Deposed):
                raise
            except Exception:
                report.append(f"- {name}: failed, see the log")
                log.exception("maintenance failed", part=name)
            else:
                if isinstance(done, int) and not isinstance(done, bool):
                    job.stats[name] = done
                report.append(f"- {name}: done" if done is None else f"- {name}: {done}")
        job.details = "\n".join(report)
        await self._state.merge("maintenance", {"last": int(clock.now())})

    async def run(self) -> None:
        """A round at its time of each day, until cancelled."""
        due = self._next(clock.now())
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            moment = clock.now()
            if due is None or moment < due:
                due = self._next(moment) if due is None else min(due, self._next(moment) or due)
                continue
            due = self._next(moment)
            try:
                self.start("Daily maintenance", "")
            except Refusal as refusal:
                log.warning("daily maintenance was skipped", reason=refusal.description)

    def _next(self, moment: float) -> int | None:
        """When the next round is due; soon, if the last one was missed."""
        last = self._state.get("maintenance").get("last")
        if isinstance(last, int) and moment - last > _MISSED:
            return int(moment)
        return day.next_time(moment, self._settings.maintenance, self._settings.tz)
