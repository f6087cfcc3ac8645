"""Limits of a job that its host keeps itself, as a second line behind the conductor's. Pure."""

from collections.abc import Mapping
from typing import Any

from shared.clock import Seconds

_GRACE: Seconds = 2.0
"""The conductor's own check comes first, since it also notifies. Ours is for when it is away."""


def time_limit(job: Mapping[str, Any]) -> Seconds:
    """Seconds of running after which an enabled time limit that aborts ends the job here; 0: none."""
    limits = job.get("limits")
    durations = [
        float(limit["duration"])
        for limit in (limits if isinstance(limits, list) else ())
        if isinstance(limit, dict)
        and limit.get("type") == "time"
        and limit.get("enabled")
        and limit.get("abort")
        and isinstance(limit.get("duration"), int | float)
        and limit["duration"] > 0
    ]
    return min(durations) + _GRACE if durations else 0.0
