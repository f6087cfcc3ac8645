"""The trigger `schedule`: wall-clock lists in a time zone (contract scheduler.md §6)."""

from functools import cached_property
from typing import ClassVar

import msgspec

from conductor.schedule.triggers.base import DAY, LATEST, MINUTE, TriggerValue, floored, run_after
from conductor.schedule.triggers.wall_clock import WallClock
from conductor.schedule.triggers.zones import Zone, zone

ONCE, SHIFT = "once", "shift"


class Schedule(TriggerValue, frozen=True, kw_only=True, dict=True):
    """Every minute whose wall clock in `timezone` all lists name.

    Where clocks change, `dst` decides. `repeat`, the default: every absolute minute is looked at, so what the
    clock skips never runs and what it shows twice runs twice. `once`: twice shown, it runs the first time alone.
    `shift`: as `once`, and what is skipped runs as much later as the clock was put forward.
    """

    TYPE: ClassVar[str] = "schedule"

    years: tuple[int, ...] = ()
    months: tuple[int, ...] = ()
    days: tuple[int, ...] = ()
    weekdays: tuple[int, ...] = ()
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    only_seconds: tuple[int, ...] = msgspec.field(default=(), name="seconds")
    """Seconds of each minute at which it runs; none: as the minute begins."""
    holidays: tuple[str, ...] = ()
    timezone: str = "UTC"
    dst: str = ""

    @cached_property
    def clock(self) -> WallClock:
        return WallClock(
            self.years,
            self.months,
            self.days,
            self.weekdays,
            self.hours,
            self.minutes,
            frozenset(self.holidays),
        )

    @cached_property
    def zone(self) -> Zone:
        return zone(self.timezone)

    def next_minute(self, after: float) -> int | None:
        """The first minute later than `after`."""
        start = max(floored(after) + MINUTE, 0)
        while (found := self._first_from(start)) is not None:
            if self.dst not in (ONCE, SHIFT) or not self._shown_before(found):
                return found
            start = found + MINUTE
        return None

    def next_run(self, after: float) -> int | None:
        return run_after(self, after)

    def seconds(self, minute: int) -> tuple[int, ...] | None:
        return tuple(sorted(set(self.only_seconds))) or None

    def why_not(self, minute: int) -> str:
        if self.next_minute(minute - MINUTE) == minute:
            return ""
        reason = self.clock.why_not(self.zone.wall(minute))
        return reason or "the wall clock shows this minute for the second time"

    def _first_from(self, time: int) -> int | None:
        """The first minute from `time` on: within one offset after the other."""
        best = self._shifted_from(time)
        last_look = 0
        while time <= LATEST:
            offset = self.zone.offset(time)
            end = self.zone.offset_end(time, offset)
            local = self.clock.first(time + offset)
            if local is None:
                # A clock that is put back may still show once more what has gone by.
                last_look = last_look or time + 2 * DAY
                if time >= last_look:
                    return best
            else:
                last_look = 0
                found = max(_whole_minute(local - offset), time)
                if best is not None and best <= min(found, end):
                    return best
                if found < end:
                    return found
                if self.dst == SHIFT:
                    ahead = self.zone.offset(end) - offset
                    if found < end + ahead and (best is None or found < best):
                        best = found
                end = max(end, floored(found - 2 * DAY))
            if best is not None and best < end:
                return best
            time = end
        return best

    def _shifted_from(self, time: int) -> int | None:
        """With `shift`: what was put off to `time` or later by a change before it."""
        if self.dst != SHIFT:
            return None
        before = self.zone.offset(time - DAY)
        ahead = self.zone.offset(time) - before
        if ahead <= 0:
            return None
        change = self.zone.offset_end(time - DAY, before)
        local = self.clock.first(time + before)
        if local is None:
            return None
        found = max(_whole_minute(local - before), time)
        return found if found < change + ahead else None

    def _shown_before(self, minute: int) -> bool:
        return self.zone.repeated(minute) and not self._is_shifted(minute)

    def _is_shifted(self, minute: int) -> bool:
        return self._shifted_from(minute) == minute


def _whole_minute(time: int) -> int:
    """`time`, or the minute after it in a zone whose offset is no whole number of minutes."""
    return -(-time // MINUTE) * MINUTE
