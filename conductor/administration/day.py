"""Local days and times of day, in the configured time zone. Pure."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


@lru_cache(8)
def zone(name: str) -> tzinfo | None:
    """The zone of this name; None, the system's, for an empty or unknown one."""
    if not name:
        return None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def local(moment: float, tz: str = "") -> datetime:
    where = zone(tz)
    return (
        datetime.fromtimestamp(moment, where) if where else datetime.fromtimestamp(moment, UTC).astimezone()
    )


def midnight(moment: float, tz: str = "") -> int:
    """When the local day of `moment` began."""
    return _at(local(moment, tz), 0, 0, tz)


def date(moment: float, tz: str = "") -> str:
    """YYYY/MM/DD."""
    return local(moment, tz).strftime("%Y/%m/%d")


def next_time(moment: float, text: str, tz: str = "") -> int | None:
    """When it is `HH:MM` for the next time after `moment`; None for a text that is no time."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    today = local(moment, tz)
    for days in (0, 1, 2):
        found = _at(today + timedelta(days=days), int(match[1]), int(match[2]), tz)
        if found > moment:
            return found
    return None


def _at(day: datetime, hour: int, minute: int, tz: str) -> int:
    plain = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone(tz))
    return int(plain.timestamp())
