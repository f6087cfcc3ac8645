"""The conditions that fire actions (contract actions.md §2). Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

INSTANT = "instant"
ORDER = (
    "start", "complete", "success", "error", "user", "warning", "critical", "abort", "instant", "continue", "limit",
)  # fmt: skip


def allowed(job: Mapping[str, Any], conditions: Sequence[str]) -> list[str]:
    """Those that fire for this job: a test run may name the only ones (`test_conditions`)."""
    only = job.get("test_conditions")
    if not job.get("test") or not isinstance(only, list):
        return list(conditions)
    return [condition for condition in conditions if condition in only]


def ordered(conditions: Sequence[str]) -> list[str]:
    """In the contract's order; tags last, as they stand on the job."""
    known = [condition for condition in ORDER if condition in conditions]
    return list(dict.fromkeys((*known, *conditions)))
