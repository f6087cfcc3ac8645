"""Limits of a running job, checked together: at most one of them fires at a time (contract jobs.md §8). Pure."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from conductor.jobs.limits import output_size, run_time, usage
from conductor.jobs.limits.reading import Limit, enabled

Check = Callable[[Limit, Mapping[str, Any], float], str | None]

CHECKS: Mapping[str, Check] = {
    "time": run_time.check,
    "log": output_size.check,
    "mem": usage.check,
    "cpu": usage.check,
}
"""By type, in the order in which they are checked."""


class Exceeded(NamedTuple):
    """A runtime limit that has just been exceeded."""

    limit: Limit
    message: str


def exceeded(job: Mapping[str, Any], now: float) -> Exceeded | None:
    """The first runtime limit that the job exceeds and that has not fired yet.

    Keeps in each mem and cpu limit since when its amount has been exceeded (`when`), behind one that fires
    too: it must not begin to count anew with the next look.
    """
    fired: Exceeded | None = None
    for kind, check in CHECKS.items():
        for limit in enabled(job, kind):
            if limit.get("date"):
                continue
            message = check(limit, job, now)
            if message and fired is None:
                fired = Exceeded(limit, message)
    return fired


def watched(job: Mapping[str, Any]) -> bool:
    """Whether the job has a runtime limit at all."""
    entries = job.get("limits")
    return any(
        isinstance(limit, dict) and limit.get("enabled") and limit.get("type") in CHECKS
        for limit in (entries if isinstance(entries, list) else ())
    )
