"""Triggers that launch nothing by themselves and change what others launch (contract scheduler.md §3, §9)."""

from typing import ClassVar

from conductor.schedule.triggers.base import TriggerValue


class Range(TriggerValue, frozen=True, kw_only=True):
    """Launches only from `start` to `end`, both included; a missing bound is open, two missing match nothing."""

    TYPE: ClassVar[str] = "range"

    start: int | None = None
    end: int | None = None

    def contains(self, minute: int) -> bool:
        if self.start is None and self.end is None:
            return False
        return (self.start is None or minute >= self.start) and (self.end is None or minute <= self.end)


class Blackout(TriggerValue, frozen=True, kw_only=True):
    """No launches from `start` to `end`, both included."""

    TYPE: ClassVar[str] = "blackout"

    start: int
    end: int

    def contains(self, minute: int) -> bool:
        return self.start <= minute <= self.end


class CatchUp(TriggerValue, frozen=True, kw_only=True):
    """Missed minutes are made up for: every one of them, or with `once` the last one alone."""

    TYPE: ClassVar[str] = "catchup"

    once: bool = False


class Nth(TriggerValue, frozen=True, kw_only=True):
    """Of the minutes that are due the first one runs, then each `every`-th."""

    TYPE: ClassVar[str] = "nth"

    every: float

    def decide(self, counter: float) -> tuple[bool, float]:
        """Whether a due minute runs, and the counter after it."""
        left = counter - 1
        return (True, self.every) if left <= 0 else (False, left)


class Delay(TriggerValue, frozen=True, kw_only=True):
    """Jobs start `duration` seconds after their minute."""

    TYPE: ClassVar[str] = "delay"

    duration: float


class Precision(TriggerValue, frozen=True, kw_only=True):
    """One job for each of `seconds` instead of one for the minute."""

    TYPE: ClassVar[str] = "precision"

    seconds: tuple[int, ...]


class Quiet(TriggerValue, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "quiet"

    invisible: bool = False
    ephemeral: bool = False


class PluginTrigger(TriggerValue, frozen=True, kw_only=True):
    """A scheduler plugin decides about each launch."""

    TYPE: ClassVar[str] = "plugin"

    plugin_id: str
