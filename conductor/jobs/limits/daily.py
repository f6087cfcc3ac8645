"""Limit `day`: how often a day an event may start, or end in some way (contract jobs.md §8, §22). Pure.

The counters of an event stand in its state: `today` is `{date, start, complete, success, …}`, written in the
transaction that archives a job, so that each job counts exactly once whatever dies.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from conductor.jobs.limits.reading import amount, enabled, number

FREE_SOURCES = frozenset({"user", "key"})
"""Who launches by hand is not counted out."""


def reached(job: Mapping[str, Any], count: Callable[[str], int]) -> str | None:
    """Why the job may not be launched today, if so. `count` answers today's counter of a condition."""
    if job.get("source") in FREE_SOURCES:
        return None
    for limit in enabled(job, "day"):
        most, condition = amount(limit), str(limit.get("condition") or "")
        if most > 0 and count(condition) >= most:
            return f"The daily limit of {most:g} for {condition} jobs of this event has been reached."
    return None


def counted(state: Mapping[str, Any], date: str, condition: str) -> int:
    """A counter of an event's state; 0 on another day."""
    today = state.get("today")
    if not isinstance(today, dict) or today.get("date") != date:
        return 0
    return int(number(today.get(condition)))


def counting(state: Mapping[str, Any], date: str, conditions: Sequence[str], by: int = 1) -> dict[str, Any]:
    """The counters after `conditions` have happened once more (or `by`), from 0 on a new day; never below 0."""
    today = state.get("today")
    counters = dict(today) if isinstance(today, dict) and today.get("date") == date else {"date": date}
    for condition in conditions:
        counters[condition] = max(int(number(counters.get(condition))) + by, 0)
    return counters
