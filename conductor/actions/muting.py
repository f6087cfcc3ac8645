"""What tells people of a job rests while its event is in a maintenance window (docs/alerts.md). Pure.

Alerts decide for themselves, before an action is owed.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from conductor.actions.result import Result

TELLING_TYPES = frozenset({"email", "web_hook", "channel"})
"""Others do a job's work and are not for people: a ticket or the next event must not be missing afterwards."""


def muted(type_: str, event_id: str, windows: Iterable[Mapping[str, Any]], now: float) -> Result | None:
    """The result of an action that is not carried out; None when it is to be."""
    if type_ not in TELLING_TYPES or not event_id:
        return None
    for window in windows:
        start, end, events = (window.get(key) for key in ("start", "end", "events"))
        if (
            not isinstance(start, int | float)
            or not isinstance(end, int | float)
            or not isinstance(events, list)
        ):
            continue
        if window.get("enabled") and start <= now < end and event_id in events:
            return Result(
                0, f"Nobody was told: maintenance window {window.get('title') or window.get('id')}."
            )
    return None
