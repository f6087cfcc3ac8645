"""How long history is kept (contract monitoring.md §5): the setting `timeline_expiration`."""

import re

from conductor.monitoring.timelines import Timelines
from shared import clock
from shared.clock import Seconds

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_UNITS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400,
    "year": 365 * 86_400,
}  # fmt: skip


def seconds_of(text: str) -> Seconds:
    """`10 years`, `90 days`, or a number of seconds. Raises ValueError."""
    match = _TEXT.fullmatch(text)
    unit = match[2].lower().removesuffix("s") if match else ""
    if match is None or (unit and unit not in _UNITS):
        raise ValueError(f"not a length of time: {text}")
    return float(match[1]) * _UNITS.get(unit, 1)


class Retention:
    """For the nightly maintenance. Raises ValueError for a setting that is no length of time."""

    def __init__(self, timelines: Timelines, kept: str) -> None:
        self._timelines = timelines
        self._kept = seconds_of(kept)

    async def trim(self) -> int:
        """Delete what is too old; return how many rows that were. May be broken off and called again."""
        return await self._timelines.trim(clock.now(), self._kept)
