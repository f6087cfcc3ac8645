"""Dates as people read them, by patterns such as `[dddd], [mmmm] [mday], [yyyy]`. Pure.

The names are English, whatever the host speaks.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_PLACE = re.compile(r"\[(\w+)\]")
_PARTS: Mapping[str, Callable[[datetime], str]] = {
    "yyyy": lambda when: f"{when.year:04d}",
    "yy": lambda when: f"{when.year % 100:02d}",
    "mm": lambda when: f"{when.month:02d}",
    "mmm": lambda when: _MONTHS[when.month - 1][:3],
    "mmmm": lambda when: _MONTHS[when.month - 1],
    "mon": lambda when: str(when.month),
    "dd": lambda when: f"{when.day:02d}",
    "mday": lambda when: str(when.day),
    "ddd": lambda when: _DAYS[when.weekday()][:3],
    "dddd": lambda when: _DAYS[when.weekday()],
    "hh": lambda when: f"{when.hour:02d}",
    "hour": lambda when: str(when.hour),
    "hour24": lambda when: str(when.hour),
    "hour12": lambda when: str(when.hour % 12 or 12),
    "mi": lambda when: f"{when.minute:02d}",
    "ss": lambda when: f"{when.second:02d}",
    "ampm": lambda when: "am" if when.hour < 12 else "pm",
    "AMPM": lambda when: "AM" if when.hour < 12 else "PM",
    "tz": lambda when: when.tzname() or "",
}


def formatted(pattern: str, when: datetime) -> str:
    """`pattern` with its places filled; unknown ones stay as they are."""
    return _PLACE.sub(lambda place: _PARTS[place[1]](when) if place[1] in _PARTS else place[0], pattern)
