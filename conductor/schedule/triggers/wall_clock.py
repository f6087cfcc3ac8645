"""Lists of years, months, days, weekdays, hours and minutes, and the next wall-clock minute they name.

Knows no time zone: local times are counted in seconds as if they were UTC.
"""

from bisect import bisect_left
from calendar import monthrange
from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple

from conductor.schedule.triggers.base import DAY, MINUTE
from conductor.schedule.triggers.zones import EPOCH_ORDINAL, Wall

_CYCLE_YEARS = 400
"""After so many years the calendar repeats itself: what has not come by then never comes."""
_LAST_YEAR = 9998
_HOURS, _MINUTES, _MONTHS = tuple(range(24)), tuple(range(60)), tuple(range(1, 13))


class WallClock(NamedTuple):
    """Empty lists name everything; all lists must agree, `days` and `weekdays` included."""

    years: Sequence[int] = ()
    months: Sequence[int] = ()
    days: Sequence[int] = ()
    weekdays: Sequence[int] = ()
    hours: Sequence[int] = ()
    minutes: Sequence[int] = ()
    holidays: frozenset[str] = frozenset()
    """Days without runs, `YYYY-MM-DD`, or `MM-DD` for every year."""

    def first(self, local: int) -> int | None:
        """The first minute named, not earlier than the minute `local` lies in."""
        days, second = divmod(local, DAY)
        today = date.fromordinal(EPOCH_ORDINAL + days)
        if self._names_day(today):
            time = self._first_time(second // MINUTE)
            if time is not None:
                return days * DAY + time * MINUTE
        day = self._day_after(today)
        time = self._first_time(0)
        if day is None or time is None:
            return None
        return (day.toordinal() - EPOCH_ORDINAL) * DAY + time * MINUTE

    def why_not(self, wall: Wall) -> str:
        """Which list does not name this minute; empty when all do."""
        for name in ("years", "months", "weekdays", "hours", "minutes"):
            listed, value = getattr(self, name), getattr(wall, name.removesuffix("s"))
            if listed and value not in listed:
                return f"{name} does not contain {value}"
        if self.days and wall.day not in self.days and wall.rday not in self.days:
            return f"days contains neither {wall.day} nor {wall.rday}"
        if self._is_holiday(wall.year, wall.month, wall.day):
            return "the day is one of its holidays"
        return ""

    def _first_time(self, earliest: int) -> int | None:
        """The first minute of a day, from 0, not before `earliest`."""
        minutes = sorted(self.minutes) or _MINUTES
        for hour in sorted(self.hours) or _HOURS:
            least = max(earliest - hour * 60, 0)
            if least <= minutes[-1]:
                return int(hour * 60 + minutes[bisect_left(minutes, least)])
        return None

    def _names_day(self, day: date) -> bool:
        if self.years and day.year not in self.years:
            return False
        if self.months and day.month not in self.months:
            return False
        last = monthrange(day.year, day.month)[1]
        if self.days and day.day not in self.days and day.day - last - 1 not in self.days:
            return False
        if self.weekdays and day.isoweekday() % 7 not in self.weekdays:
            return False
        return not self._is_holiday(day.year, day.month, day.day)

    def _day_after(self, today: date) -> date | None:
        for year in self._years_from(today.year):
            for month in sorted(self.months) or _MONTHS:
                if (year, month) < (today.year, today.month):
                    continue
                for number in self._days_of(year, month):
                    day = date(year, month, number)
                    if day > today and self._names_day(day):
                        return day
        return None

    def _years_from(self, year: int) -> Iterable[int]:
        if self.years:
            return [one for one in sorted(self.years) if year <= one <= _LAST_YEAR]
        return range(year, min(year + _CYCLE_YEARS, _LAST_YEAR) + 1)

    def _days_of(self, year: int, month: int) -> Iterable[int]:
        last = monthrange(year, month)[1]
        if not self.days:
            return range(1, last + 1)
        listed = {day if day > 0 else last + 1 + day for day in self.days}
        return sorted(day for day in listed if 1 <= day <= last)

    def _is_holiday(self, year: int, month: int, day: int) -> bool:
        if not self.holidays:
            return False
        yearly = f"{month:02}-{day:02}"
        return yearly in self.holidays or f"{year:04}-{yearly}" in self.holidays
