"""Limit `time`: seconds that a job may be active (contract jobs.md §8). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.jobs.limits.reading import Limit, number


def check(limit: Limit, job: Mapping[str, Any], now: float) -> str | None:
    """What to tell people when the job runs too long."""
    duration = number(limit.get("duration"))
    if duration > 0 and now - number(job.get("started")) > duration:
        return f"Job has exceeded maximum run time of {duration:g} seconds."
    return None
