"""CPU and memory of a workflow job: the sums of its sub-jobs. Pure."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]


def current(usage: Any) -> float:
    value = usage.get("current") if isinstance(usage, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0


def sampled(usage: Any, current: float) -> Json:
    """A usage record (contract structures/job.yaml) after one more sample."""
    before = usage if isinstance(usage, Mapping) else {}
    count = int(before.get("count") or 0)
    return {
        "min": min(before.get("min", current), current) if count else current,
        "max": max(before.get("max", current), current),
        "total": before.get("total", 0) + current,
        "count": count + 1,
        "current": current,
    }
