"""Durations as settings have them: a number of seconds, or a text such as "5 minutes"."""

import re

_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.ASCII | re.IGNORECASE)
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONG = {"sec": "s", "min": "m", "hou": "h", "day": "d", "wee": "w"}


def seconds_of(value: str | float, default: float) -> float:
    """Seconds; `default` for what cannot be read."""
    if not isinstance(value, str):
        return float(value)
    parts = _TEXT.fullmatch(value.strip())
    if parts is None:
        return default
    unit = parts[2].lower()
    factor = _UNITS.get(_LONG.get(unit[:3], unit))
    return default if factor is None else float(parts[1]) * factor
