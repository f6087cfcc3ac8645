"""Limits `mem` and `cpu`: what a job may use for how long without a break (contract jobs.md §8).

A limit keeps in `when` since when its amount has been exceeded, and forgets it once the job is below. What
satellites report may lag: a value that has not been reported anew counts on.
"""

from collections.abc import Mapping
from typing import Any

from conductor.jobs.limits.reading import Limit, amount, number


def check(limit: Limit, job: Mapping[str, Any], now: float) -> str | None:
    """What to tell people when the job has used too much for too long. Changes the limit's `when`."""
    kind = str(limit["type"])
    usage = job.get(kind)
    current = number(usage.get("current")) if isinstance(usage, dict) else 0.0
    ceiling, duration = amount(limit), number(limit.get("duration"))
    if ceiling <= 0 or current <= ceiling:
        limit.pop("when", None)
        return None
    since = number(limit.get("when"))
    limit["when"] = since = since if 0 < since <= now else now
    if now - since < duration:
        return None
    unit = "bytes of memory" if kind == "mem" else "% of a CPU core"
    sustained = f" for {duration:g} seconds" if duration > 0 else ""
    return f"Job has exceeded {ceiling:.15g} {unit}{sustained}."
