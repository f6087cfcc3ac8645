"""Where the schedule meets the jobs: what fires becomes an order. Neither room knows the other."""

from collections.abc import Mapping, Sequence
from typing import Any

from conductor.jobs.compose import Order
from conductor.jobs.engine import JobEngine
from conductor.schedule.launches import ScheduledLaunch


class ScheduledJobs:
    """Fills `conductor.schedule.launches.Launches` for one term."""

    def __init__(self, engine: JobEngine) -> None:
        self._engine = engine

    async def launch(self, launch: ScheduledLaunch) -> str:
        order = Order(
            event=launch.event,
            source=launch.source,
            correlation_id=launch.fired.correlation_id,
            now=launch.now,
            until=launch.until,
            start=launch.start,
            stype=launch.stype,
            splugin=launch.splugin,
            firing=launch.firing,
            fired=launch.fired,
            patient=True,
        )
        return await self._engine.launch(order, launch.fired.actor)

    def active(self) -> Sequence[Mapping[str, Any]]:
        return [job.job for job in self._engine.book if job.state != "queued"]
