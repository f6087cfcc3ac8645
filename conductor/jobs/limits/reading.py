"""Reading `job["limits"]`, whatever stands in it: documents come from users. Pure."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

Limit = dict[str, Any]


def first(job: Mapping[str, Any], kind: str) -> Limit | None:
    """The first enabled limit of a type: the only one that counts of job, queue, retry, file and tag.

    A job's list is in order of precedence already: event, workflow nodes, category, universal, pushed.
    """
    return next(enabled(job, kind), None)


def enabled(job: Mapping[str, Any], kind: str) -> Iterator[Limit]:
    """All enabled limits of a type, in order of precedence: of time, log, mem, cpu and day each one counts."""
    entries = job.get("limits")
    for limit in entries if isinstance(entries, list) else ():
        if isinstance(limit, dict) and limit.get("type") == kind and limit.get("enabled"):
            yield limit


def amount(limit: Limit | None) -> float:
    """The limit's amount; 0 without a limit."""
    return number(limit.get("amount")) if limit else 0.0


def weight(job: Mapping[str, Any]) -> float:
    """What the job counts against a server's maximum; 1 unless its job limit says otherwise."""
    limit = first(job, "job")
    return (number(limit.get("weight")) if limit else 0.0) or 1.0


def number(value: Any) -> float:
    """A finite number out of whatever stands in a document; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0
