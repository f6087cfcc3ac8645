"""Known time zones: what the host's tz database has, which includes every name of the original's list."""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo

_NAME = re.compile(r"[\w/\-+]+", re.ASCII)
_LONGEST_NAME = 64


def is_zone_name(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.fullmatch(name) is not None


@lru_cache(maxsize=1024)
def is_known_zone(name: str) -> bool:
    """Whether `name` can be loaded; reads a file the first time it is asked."""
    if not is_zone_name(name):
        return False
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
