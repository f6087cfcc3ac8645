"""An event's running totals, in the state `events/<id>` (contract jobs.md §14.9, §22).

They are written in the transaction that archives a job, so each job counts exactly once. Of jobs that a
multiplex parent stands for, and of attempts that were tried again, nothing but the start counts, if at all.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, tzinfo
from typing import Any

from conductor.definitions.state import GlobalState
from conductor.jobs import limits
from conductor.jobs.limits import daily
from conductor.live.job import ActiveJob
from shared import clock
from shared.schema.jobs import succeeded

START = "start"
_SPECIAL = frozenset({"warning", "critical", "abort"})

Doc = Mapping[str, Any]


def conditions(code: Any) -> list[str]:
    """What a job's end fires (§14.6), without tags."""
    if succeeded(code):
        return ["complete", "success"]
    return ["complete", "error", code if code in _SPECIAL else "user"]


class Totals:
    def __init__(self, state: GlobalState, timezone: str = "") -> None:
        """`timezone` is the one in which days begin; empty is the system's."""
        self._state = state
        self._zone = _zone(timezone)
        self._last = (-1, "")
        """The quarter of an hour that was asked for last, and its date: in no time zone a day begins within one."""

    def after(self, record: Doc) -> dict[str, Any]:
        """What changes in its event's state with the end of a job; nothing for one that does not count."""
        if not _counts(record):
            return {}
        state = self._state.latest(f"events/{record['event']}")
        date = self.date(record["completed"])
        begun = [START] if "waited" in record and self.date(record["started"]) == date else []
        if record.get("retried"):
            return {"today": daily.counting(state, date, begun)} if begun else {}
        return {
            "last_job": record["id"],
            "last_code": record["code"],
            "last_completed": int(record["completed"]),
            "total_elapsed": round(limits.number(state.get("total_elapsed")) + record["elapsed"], 2),
            "total_count": int(limits.number(state.get("total_count"))) + 1,
            "today": daily.counting(state, date, [*begun, *conditions(record["code"])]),
        }

    def without(self, record: Doc) -> Callable[[Doc], dict[str, Any]] | None:
        """The change of its event's state when a job of today is deleted; None for one of another day."""
        date = self.date(limits.number(record.get("completed")))
        if date != self.date(clock.now()) or record.get("retried") or not _counts(record):
            return None
        fired = conditions(record.get("code"))
        return lambda state: {"today": daily.counting(state, date, fired, by=-1)}

    def today(self, event_id: str, condition: str, active: Iterable[ActiveJob]) -> int:
        """How often jobs of an event met a condition today; `active` are those that have not ended."""
        date = self.date(clock.now())
        ended = daily.counted(self._state.latest(f"events/{event_id}"), date, condition)
        if condition != START:
            return ended
        return ended + sum(
            "waited" in job.job and self.date(limits.number(job.job.get("started"))) == date for job in active
        )

    def date(self, epoch: float) -> str:
        """The day of a Unix time, as `2030-01-31`."""
        quarter = int(epoch // 900)
        if self._last[0] != quarter:
            day = datetime.fromtimestamp(epoch, self._zone).date().isoformat()
            self._last = (quarter, day)
        return self._last[1]


def _counts(record: Doc) -> bool:
    """Whether the end of such a job counts for its event: a multiplex parent counts, its sub-jobs do not."""
    workflow, event = record.get("workflow"), record.get("event")
    return bool(event) and not (isinstance(workflow, dict) and workflow.get("event") == event)


def _zone(name: str) -> tzinfo | None:
    if not name:
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
