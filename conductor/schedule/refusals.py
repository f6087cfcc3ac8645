"""Launches of the schedule that were refused, told to people once and not each minute.

Nobody waits for the answer of a scheduled launch: without this a refusal would only be in the log. The last one
of each event stands in its state (`refused`) and in `explain_event`.
"""

from typing import Any

from conductor.announcer import Signals
from conductor.schedule.launches import Doc
from conductor.signals import Actor, Notice

AGAIN_SECONDS = 3600.0
"""The same refusal of the same event is told again after this long."""


class Refusals:
    def __init__(self, signals: Signals) -> None:
        self._signals = signals
        self._last: dict[str, dict[str, Any]] = {}
        self._told: dict[str, float] = {}

    def of(self, event_id: str) -> Doc | None:
        """The last refusal in this term: {epoch, minute, description, count}."""
        return self._last.get(event_id)

    def note(self, event: Doc, description: str, *, minute: int, now: float) -> bool:
        """Remember it; announce it, and answer true, when it is news."""
        event_id = str(event.get("id"))
        before = self._last.get(event_id)
        same = before is not None and before["description"] == description
        count = int(before["count"]) + 1 if before is not None and same else 1
        self._last[event_id] = {"epoch": now, "minute": minute, "description": description, "count": count}
        if same and now - self._told[event_id] < AGAIN_SECONDS:
            return False
        self._told[event_id] = now
        self._signals.publish(
            Notice(
                level="warning",
                description=f"Scheduled launch refused: {event.get('title') or event_id}: {description}",
                actor=Actor(kind="schedule", id=event_id),
            )
        )
        return True

    def forget(self, event_id: str) -> None:
        self._last.pop(event_id, None)
        self._told.pop(event_id, None)
