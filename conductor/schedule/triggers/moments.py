"""The triggers `single` and `interval` (contract scheduler.md §6)."""

from typing import ClassVar

from conductor.schedule.triggers.base import LATEST, MINUTE, TriggerValue, floored, run_after

_MILLI = 1000


class Single(TriggerValue, frozen=True, kw_only=True):
    """One minute, once."""

    TYPE: ClassVar[str] = "single"

    epoch: int

    def next_minute(self, after: float) -> int | None:
        minute = floored(self.epoch)
        return minute if minute > after else None

    def next_run(self, after: float) -> int | None:
        return self.next_minute(after)

    def seconds(self, minute: int) -> tuple[int, ...] | None:
        return None

    def why_not(self, minute: int) -> str:
        return "" if floored(self.epoch) == minute else "it is another minute's"


class Interval(TriggerValue, frozen=True, kw_only=True):
    """Every `duration` seconds, the first time at `start`; at most once in each second.

    A hit that falls between two seconds counts for the earlier one.
    """

    TYPE: ClassVar[str] = "interval"

    start: int
    duration: float

    def next_minute(self, after: float) -> int | None:
        hit = self._hit_from(floored(after) + MINUTE)
        return floored(hit) if hit <= LATEST else None

    def next_run(self, after: float) -> int | None:
        return run_after(self, after)

    def seconds(self, minute: int) -> tuple[int, ...] | None:
        found = []
        hit = self._hit_from(minute)
        while hit < minute + MINUTE:
            found.append(hit - minute)
            hit = self._hit_from(hit + 1)
        return tuple(found)

    def why_not(self, minute: int) -> str:
        if self.seconds(minute):
            return ""
        return "it has not begun" if minute + MINUTE <= self.start else "no interval ends in this minute"

    def _hit_from(self, time: int) -> int:
        """The first second from `time` on with a hit in it."""
        if time <= self.start:
            return self.start
        # In whole milliseconds, so that the thousandth hit is where it ought to be.
        step = max(round(self.duration * _MILLI), 1)
        passed = (time - self.start) * _MILLI
        hits = -(-passed // step)
        return self.start + hits * step // _MILLI
