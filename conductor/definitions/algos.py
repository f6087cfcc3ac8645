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


def check_algo(algo: Any, library: Library, prefix: str = "Malformed event parameter") -> None:
    """Raise BadParameter unless `algo` is one that a job can be placed by.

    The monitor of `monitor:ID` need not exist; a bare ID is an algorithm while there is such a monitor.
    """
    if not isinstance(algo, str) or not (
        algo in ALGOS or _MONITOR.fullmatch(algo) or library.get("monitors", algo) is not None
    ):
        raise BadParameter(f"{prefix}: algo (unknown: {shown(algo)})")


def monitor_of(algo: Any) -> str:
    """The ID of the monitor that an algorithm compares; empty for all others."""
    return algo.removeprefix(MONITOR_ALGO) if isinstance(algo, str) and algo not in ALGOS else ""


def check_monitor_of(algo: Any, library: Library) -> None:
    """Raise BadParameter when `algo` names a monitor that is not there."""
    if isinstance(algo, str) and algo.startswith(MONITOR_ALGO):
        id = algo.removeprefix(MONITOR_ALGO)
        if library.get("monitors", id) is None:
            raise BadParameter(f"Malformed event parameter: algo (monitor not found: {id})")
