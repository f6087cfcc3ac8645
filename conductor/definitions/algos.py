"""The algorithms that choose a server for a job (contract api/events.yaml, jobs.md §7)."""

import re
from typing import Any

from conductor.definitions.kind import Library
from conductor.definitions.text import shown
from conductor.errors import BadParameter

MONITOR_ALGO = "monitor:"
"""Begins the algorithm that takes the server with the lowest value of a monitor."""

ALGOS = frozenset(
    [
        "random",
        "round_robin",
        "least_cpu",
        "least_mem",
        "fewest_jobs",
        "prefer_first_natural",
        "prefer_last_natural",
        "prefer_first",
        "prefer_last",
        "multiplex",
    ]
)
_MONITOR = re.compile(rf"{MONITOR_ALGO}[a-z0-9_]+")


def check_algo(algo: Any, prefix: str = "Malformed event parameter") -> None:
    """Raise BadParameter unless `algo` is one that a job can be placed by; a monitor need not exist."""
    if not isinstance(algo, str) or (algo not in ALGOS and not _MONITOR.fullmatch(algo)):
        raise BadParameter(f"{prefix}: algo (unknown: {shown(algo)})")


def check_monitor_of(algo: Any, library: Library) -> None:
    """Raise BadParameter when `algo` names a monitor that is not there."""
    if isinstance(algo, str) and algo.startswith(MONITOR_ALGO):
        id = algo.removeprefix(MONITOR_ALGO)
        if library.get("monitors", id) is None:
            raise BadParameter(f"Malformed event parameter: algo (monitor not found: {id})")
