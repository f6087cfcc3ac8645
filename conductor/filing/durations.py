"""How long files are kept: texts such as `30 days`, and the midnight at which they go. Pure."""

import re
from datetime import datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_UNITS = {
    "second": 1, "minute": 60, "hour": 3600, "day": 86_400, "week": 604_800, "month": 2_592_000,
    "year": 31_536_000, "sec": 1, "min": 60, "hr": 3600, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800,
    "y": 31_536_000, "": 1,
}  # fmt: skip


def seconds_of(duration: str | float) -> float:
    """`30 days`, `5 years`, `1.5 hours` or seconds. Raises ValueError for anything else."""
    if not isinstance(duration, str):
        return float(duration)
    match = _TEXT.fullmatch(duration)
    unit = match[2].lower() if match else ""
    scale = _UNITS.get(unit) or _UNITS.get(unit.removesuffix("s"))
    if match is None or scale is None:
        raise ValueError(f"not a duration: {duration}")
    return float(match[1]) * scale


def zone(name: str) -> tzinfo | None:
    """The configured time zone; None is the system's."""
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def expiry(now: float, duration: str | float, tz: tzinfo | None = None) -> int:
    """The first local midnight that is not before the end of `duration`, as Unix seconds."""
    end = datetime.fromtimestamp(now + seconds_of(duration), tz)
    midnight = datetime.combine(end.date(), time(), end.tzinfo)
    if midnight.timestamp() < end.timestamp():
        midnight = datetime.combine(end.date() + timedelta(days=1), time(), end.tzinfo)
    return int(midnight.timestamp())
