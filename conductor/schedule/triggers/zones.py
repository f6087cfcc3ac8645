"""Time zones as offsets: a moment's wall clock, and when its offset ends."""

import os
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from conductor.definitions.timezones import is_known_zone
from conductor.schedule.triggers.base import DAY, MINUTE, floored

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


class Wall(NamedTuple):
    """The contract's `dargs`: what a clock on the wall and a calendar show in one minute."""

    year: int
    month: int
    day: int
    weekday: int
    """0 is Sunday."""
    hour: int
    minute: int
    rday: int
    """The day counted from the end of its month: -1 is the last one."""


class Zone:
    """One time zone. `name` must be known (`is_known_zone`)."""

    __slots__ = ("_zone", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self._zone = ZoneInfo(name)

    def offset(self, time: int) -> int:
        """Seconds that the wall clock is ahead of UTC."""
        found = datetime.fromtimestamp(time, self._zone).utcoffset()
        return int((found or timedelta()).total_seconds())

    def offset_end(self, time: int, offset: int) -> int:
        """The first minute after `time` with another offset than `offset`, or a day after it if there is none.

        No zone changes its offset to and fro within a day.
        """
        start, end = floored(time), floored(time) + DAY
        if self.offset(end) == offset:
            return end
        while end - start > MINUTE:
            middle = floored((start + end) // 2)
            if self.offset(middle) == offset:
                start = middle
            else:
                end = middle
        return end

    def wall(self, time: int) -> Wall:
        return wall_of(time + self.offset(time))

    def repeated(self, time: int) -> bool:
        """Whether the wall clock showed this minute before, ahead of a backward change."""
        return bool(datetime.fromtimestamp(time, self._zone).fold)

    def text(self, time: int) -> str:
        """ISO 8601 with the offset."""
        return datetime.fromtimestamp(time, self._zone).isoformat()


def wall_of(local: int) -> Wall:
    """The fields of a local time, counted in seconds as if it were UTC."""
    days, second = divmod(local, DAY)
    day = date.fromordinal(EPOCH_ORDINAL + days)
    first_of_next = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return Wall(
        day.year,
        day.month,
        day.day,
        day.isoweekday() % 7,
        second // 3600,
        second % 3600 // MINUTE,
        day.toordinal() - first_of_next.toordinal(),
    )


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    return Zone(name)


def server_zone(configured: str) -> str:
    """The zone of triggers that name none: the setting `tz`, else the host's, else UTC."""
    for name in (configured, os.environ.get("TZ", "").removeprefix(":"), _link()):
        if name and is_known_zone(name):
            return name
    return "UTC"


def _link() -> str:
    """What /etc/localtime points at."""
    try:
        return str(Path("/etc/localtime").resolve(strict=True)).partition("zoneinfo/")[2]
    except OSError:
        return ""
