"""The wall clock is set while jobs are active: by NTP after a wrong start, by hand, by a host that slept.

Jobs keep wall times, since they outlive conductors. When the clock is set, the times of those that are active move
with it, so that limits and records go on counting the seconds that passed.
"""

from collections.abc import Iterable

import structlog

from conductor.live.job import ActiveJob
from shared import clock
from shared.clock import Seconds

_LEAST: Seconds = 5.0
"""What is less is drift, or a process that was held up between two looks at the clocks."""
_STATES = ("starting", "active", "finishing")

log = structlog.get_logger(__name__)


class ClockSteps:
    """Compares the wall clock with the one that nobody can set."""

    def __init__(self) -> None:
        self._between = clock.now() - clock.monotonic()

    def step(self) -> Seconds:
        """By how much the wall clock was set since the last look; 0 if it was not."""
        before, self._between = self._between, clock.now() - clock.monotonic()
        step = self._between - before
        return step if abs(step) >= _LEAST else 0.0


def move(jobs: Iterable[ActiveJob], step: Seconds) -> list[ActiveJob]:
    """Move the times of active jobs by `step`; those that were moved."""
    log.warning("the clock was set, active jobs' times move with it", seconds=round(step, 3))
    moved = [job for job in jobs if job.state in _STATES]
    for job in moved:
        times = {name: job.job[name] + step for name in ("started", "updated") if _is_time(job.job.get(name))}
        job.set(**times)
        limits = job.job.get("limits")
        if isinstance(limits, list) and any(
            _is_time(one.get("when")) for one in limits if isinstance(one, dict)
        ):
            job.set(limits=[_moved(one, step) for one in limits])
    return moved


def _moved(limit: object, step: Seconds) -> object:
    if isinstance(limit, dict) and _is_time(limit.get("when")):
        return {**limit, "when": limit["when"] + step}
    return limit


def _is_time(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0
