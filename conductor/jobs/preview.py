"""A launch as it would go now, without launching: what `explain_event` answers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from conductor.jobs.census import Census
from conductor.jobs.compose import Order
from conductor.jobs.fleet_view import Fleet
from conductor.jobs.launcher import Launcher
from conductor.jobs.placing import Placing, fits
from conductor.jobs.prospects import Prospect, prospect


class Preview(NamedTuple):
    prospect: Prospect
    refusal: str
    """Why the day's limits would refuse the launch; empty when they would not."""
    fleet: Fleet
    """What was looked at."""
    delay: float
    """Seconds by which the cap on launches a minute would put it off."""


class Previews:
    def __init__(self, launcher: Launcher, placing: Placing, census: Census) -> None:
        self._launcher = launcher
        self._placing = placing
        self._census = census

    def of(self, order: Order, known: Mapping[str, Mapping[str, Any]]) -> Preview:
        """`known` are all servers, online or not. Raises Refusal for what cannot be composed."""
        job = self._launcher.drafted(order)
        fleet = self._placing.snapshot()
        found = prospect(
            job.job,
            fleet=fleet,
            known=known,
            siblings=self._census.siblings(job),
            robin=self._placing.robin(str(job.job["event"])),
            matches=fits,
        )
        return Preview(found, self._launcher.over_day_limit(job.job), fleet, self._launcher.braked())
