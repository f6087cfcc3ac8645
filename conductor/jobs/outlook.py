"""When a running job will have ended, as far as its progress tells (contract jobs.md §17). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.jobs import limits

_LEAST_SECONDS = 10.0
"""Before that progress says too little."""


def seconds_left(job: Mapping[str, Any], now: float) -> float | None:
    """Seconds until the end of an active job; None while nobody can tell."""
    if job.get("state") != "active":
        return None
    elapsed = now - limits.number(job.get("started"))
    progress = limits.number(job.get("progress"))
    if elapsed < _LEAST_SECONDS or not 0 < progress < 1:
        return None
    return round((1 - progress) * elapsed / progress, 1)
