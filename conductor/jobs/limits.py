"""Limits of a job (contract jobs.md §8): pure readings of `job["limits"]`.

Of types job, queue and retry only the first enabled entry counts; of time, log, mem and cpu every one does.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Limit = dict[str, Any]

RUNTIME_TYPES = ("time", "log", "mem", "cpu")


class Exceeded(NamedTuple):
    """A runtime limit that has just been exceeded."""

    limit: Limit
    message: str


def first(job: Mapping[str, Any], kind: str) -> Limit | None:
    """The first enabled limit of a type."""
    return next(enabled(job, kind), None)


def enabled(job: Mapping[str, Any], kind: str) -> Iterator[Limit]:
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


def exceeded(job: Mapping[str, Any], now: float) -> Exceeded | None:
    """The first runtime limit that the job exceeds and that has not fired yet.

    Keeps in each mem and cpu limit since when its amount has been exceeded (`when`).
    """
    for kind in RUNTIME_TYPES:
        for limit in enabled(job, kind):
            if not limit.get("date") and (message := _check(kind, limit, job, now)):
                return Exceeded(limit, message)
    return None


def _check(kind: str, limit: Limit, job: Mapping[str, Any], now: float) -> str | None:
    if kind == "time":
        duration = number(limit.get("duration"))
        if duration > 0 and now - number(job.get("started")) > duration:
            return f"Job has exceeded maximum run time of {duration:g} seconds."
        return None
    if kind == "log":
        size = number(limit.get("amount"))
        if size > 0 and number(job.get("log_file_size")) > size:
            return f"Job output has exceeded maximum size of {size:g} bytes."
        return None
    usage = job.get(kind)
    current = number(usage.get("current")) if isinstance(usage, dict) else 0.0
    ceiling, duration = number(limit.get("amount")), number(limit.get("duration"))
    if ceiling <= 0 or current <= ceiling:
        limit.pop("when", None)
        return None
    limit["when"] = number(limit.get("when")) or now
    if now - limit["when"] < duration:
        return None
    unit = "bytes of memory" if kind == "mem" else "% of a CPU core"
    return f"Job has exceeded {ceiling:g} {unit} for {duration:g} seconds."


def number(value: Any) -> float:
    """A finite number out of whatever stands in a document; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0.0
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return 0.0
    return found if math.isfinite(found) else 0.0
