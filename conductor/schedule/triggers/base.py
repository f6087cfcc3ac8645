"""What triggers have in common."""

from typing import Any, ClassVar, Protocol

import msgspec

from conductor.definitions.triggers import check_alone

MINUTE = 60
DAY = 86_400
LATEST = 253_402_300_799 - 3 * DAY
"""Nothing runs later: the calendar ends with the year 9999."""


class TriggerValue(msgspec.Struct, frozen=True):
    """A trigger's own values, checked by the rules of its type. Raises BadParameter."""

    TYPE: ClassVar[str]

    def __post_init__(self) -> None:
        check_alone({"type": self.TYPE, **_listed(self)}, f"Malformed {self.TYPE} trigger")


class Launching(Protocol):
    """A trigger that launches by itself, minute by minute."""

    TYPE: ClassVar[str]

    def next_minute(self, after: float) -> int | None:
        """The first minute later than `after` in which it launches."""
        ...

    def next_run(self, after: float) -> int | None:
        """The first moment later than `after` at which it launches."""
        ...

    def seconds(self, minute: int) -> tuple[int, ...] | None:
        """In a minute of its own: the seconds at which it launches; None: once, as the minute begins."""
        ...

    def why_not(self, minute: int) -> str:
        """Why it does not launch in this minute, for people; empty when it does."""
        ...


def floored(time: float) -> int:
    """The minute that `time` lies in."""
    return int(time // MINUTE) * MINUTE


def run_after(trigger: Launching, after: float) -> int | None:
    """`next_run` of any trigger, from its minutes and their seconds."""
    minute = trigger.next_minute(floored(after) - 1)
    while minute is not None:
        for second in trigger.seconds(minute) or (0,):
            if minute + second > after:
                return minute + second
        minute = trigger.next_minute(minute)
    return None


def _listed(value: msgspec.Struct) -> dict[str, Any]:
    """The fields as a document would have them; what was left out is absent."""
    names = zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True)
    found = ((name, getattr(value, field)) for name, field in names)
    return {
        name: list(item) if isinstance(item, tuple) else item
        for name, item in found
        if item not in (None, "")
    }
