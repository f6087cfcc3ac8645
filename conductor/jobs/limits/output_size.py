"""Limit `log`: bytes of captured output (contract jobs.md §8). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.jobs.limits.reading import Limit, amount, number


def check(limit: Limit, job: Mapping[str, Any], now: float) -> str | None:
    """What to tell people when the job has written too much."""
    most = amount(limit)
    if most > 0 and number(job.get("log_file_size")) > most:
        return f"Job output has exceeded maximum size of {most:.15g} bytes."
    return None
