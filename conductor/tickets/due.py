"""When a ticket is due: absolute times, offsets and durations as text (contract platform.md §1, §16). Pure."""

import re
from datetime import datetime, timedelta
from typing import Any

from conductor.definitions.json_values import is_number
from conductor.outbound.daily import local_time

OFFSET_BELOW = 315_360_000
"""Ten years of seconds: a smaller number is an offset from now."""
_LATEST = 32_503_680_000
"""The year 3000: a larger number was meant as milliseconds."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
_PART = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)\s*([a-zA-Z]+)")
_LONGEST = 100


def due_at(value: Any, moment: float, tz: str) -> int | None:
    """The Unix time that `value` means at `moment`, 0 for none; None if it means nothing.

    Offsets and durations lead to a local midnight.
    """
    if value in (None, "", 0):
        return 0
    seconds = duration(value) if isinstance(value, str) else value if is_number(value) else None
    if seconds is None or not 0 <= seconds < _LATEST:
        return None
    if seconds >= OFFSET_BELOW:
        return int(seconds)
    return midnight(moment + seconds, tz)


def duration(text: str) -> float | None:
    """Seconds of `7 days`, `1d 12h` or `3600`; only a unit's first letter counts. None if it is none."""
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    known = [
        (float(number), _SECONDS[unit[0].lower()])
        for number, unit in _PART.findall(text)
        if unit[0].lower() in _SECONDS
    ]
    return sum(number * unit for number, unit in known) if known else None


def midnight(moment: float, tz: str) -> int:
    """The beginning of the local day of `moment`."""
    local = local_time(moment, tz)
    start = datetime(local.year, local.month, local.day, tzinfo=local.tzinfo)
    if (
        not tz
    ):  # the system's offset at midnight, which a change of the clocks may set apart from that at noon
        start = datetime(local.year, local.month, local.day).astimezone()
    return int(start.timestamp())


def next_day(moment: float, tz: str) -> int:
    """The beginning of the local day after that of `moment`."""
    local = local_time(moment, tz) + timedelta(days=1)
    return midnight(local.timestamp(), tz)
