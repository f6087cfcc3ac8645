"""Counters that begin anew each local day and bound what is sent: mails, web hooks.

They are stored before anything is sent, so that a conductor that dies in between counts too much, never too
little, and a new primary goes on from there.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from shared.clock import now

Json = dict[str, Any]


class StateDocuments(Protocol):
    """What is needed of the global state."""

    async def revise(self, key: str, changes: Callable[[Json], Mapping[str, Any]]) -> None: ...


class DailyCounts:
    """`take` one of today's. Kept in the global state below `daily/`."""

    def __init__(self, state: StateDocuments, tz: str = "") -> None:
        self._state = state
        self._tz = tz

    async def take(self, name: str, limit: int) -> bool:
        """Count one more of `name`; False, uncounted, when `limit` have been taken today. Raises Unavailable."""
        taken = False
        today = local_day(now(), self._tz)

        def counted(stored: Json) -> Json:
            nonlocal taken
            count = int(stored.get("count", 0)) if stored.get("day") == today else 0
            taken = count < limit
            return {"day": today, "count": count + taken}

        await self._state.revise(f"daily/{name}", counted)
        return taken


def local_day(moment: float, tz: str) -> str:
    """YYYY-MM-DD in the conductor's time zone; an unknown zone is the system's."""
    return local_time(moment, tz).strftime("%Y-%m-%d")


def local_time(moment: float, tz: str) -> datetime:
    """A Unix time in the conductor's time zone; an unknown zone is the system's."""
    try:
        return datetime.fromtimestamp(moment, ZoneInfo(tz) if tz else None).astimezone(
            ZoneInfo(tz) if tz else None
        )
    except (KeyError, ValueError, OSError):
        return datetime.fromtimestamp(moment).astimezone()
