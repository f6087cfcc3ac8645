"""Limits of a job that its host keeps itself, as a second line behind the conductor's. Pure.

Only limits that abort: the conductor notifies, tags and takes snapshots. Times are monotonic, so that a clock
that is set neither ends a job nor gives it more time.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from shared.clock import Seconds

_GRACE: Seconds = 2.0
"""The conductor's own check comes first, since it also notifies. Ours is for when it is away."""
_FLOOD_BYTES = 16 * 1024 * 1024
_KINDS = ("time", "log", "mem", "cpu")


class Reading(NamedTuple):
    """What a job is and uses now."""

    elapsed: Seconds
    log_bytes: int
    cpu: float
    """Percent of one core."""
    mem: float
    """Bytes."""


def most_log(job: Mapping[str, Any], most_output: int) -> int:
    """Bytes of log after which a job is ended, and no more is kept; 0: none."""
    amounts = [amount for kind, amount, _ in _aborting(job) if kind == "log"]
    if most_output:
        amounts.append(most_output)
    return int(min(amounts, default=0))


class LimitWatch:
    """The limits of one job, asked once a second.

    A limit of memory or CPU ends the job when it was exceeded at every question for its duration. `most_output`
    holds for every job, in bytes; 0 is none.
    """

    def __init__(self, job: Mapping[str, Any], most_output: int = 0) -> None:
        self._limits = list(_aborting(job))
        self._most_output = most_output
        self._most_log = most_log(job, most_output)
        self._since: dict[int, Seconds] = {}

    def flooded(self, log_bytes: int) -> bool:
        """So far beyond the end of its log that the disk may not wait for a second look."""
        return 0 < self._most_log < log_bytes and log_bytes > 2 * self._most_log + _FLOOD_BYTES

    def flood(self) -> str:
        return _text("log", self._most_log, 0.0)

    def exceeded(self, reading: Reading, at: Seconds) -> str:
        """Why the job has to end, or nothing. `at` is monotonic."""
        if self._most_output and reading.log_bytes > self._most_output:
            return f"Job output has exceeded the {self._most_output} bytes that this satellite takes."
        for number, (kind, amount, duration) in enumerate(self._limits):
            if not _over(kind, amount, duration, reading):
                self._since.pop(number, None)
                continue
            since = self._since.setdefault(number, at)
            patience = _GRACE + (duration if kind in ("mem", "cpu") else 0.0)
            if kind == "time" or at - since >= patience:
                return _text(kind, amount, duration)
        return ""


def _over(kind: str, amount: float, duration: Seconds, reading: Reading) -> bool:
    match kind:
        case "time":
            return reading.elapsed > duration + _GRACE
        case "log":
            return reading.log_bytes > amount
        case "mem":
            return reading.mem > amount
        case _:
            return reading.cpu > amount


def _text(kind: str, amount: float, duration: Seconds) -> str:
    match kind:
        case "time":
            return f"Job has exceeded its time limit of {duration:g} seconds."
        case "log":
            return f"Job log file size has exceeded maximum size limit of {amount:.0f} bytes."
        case "mem":
            return f"Job has exceeded {amount:.0f} bytes of memory for {duration:g} seconds."
        case _:
            return f"Job has exceeded {amount:g}% of a CPU core for {duration:g} seconds."


def _aborting(job: Mapping[str, Any]) -> Iterator[tuple[str, float, Seconds]]:
    limits = job.get("limits")
    for limit in limits if isinstance(limits, list) else ():
        if not isinstance(limit, dict) or not (limit.get("enabled") and limit.get("abort")):
            continue
        kind = limit.get("type")
        amount, duration = _number(limit.get("amount")), _number(limit.get("duration"))
        needed = duration if kind == "time" else amount
        if kind in _KINDS and needed > 0:
            yield kind, amount, duration


def _number(value: Any) -> float:
    """A finite number out of whatever stands in a document; 0 for what is none."""
    try:
        number = 0.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return 0.0
    return number if math.isfinite(number) else 0.0
