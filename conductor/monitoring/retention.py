"""How long history is kept (contract monitoring.md §5): the setting `timeline_expiration`. Pure."""

import re

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
