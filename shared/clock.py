"""The two clocks. Wall time is for records and schedules, monotonic time for durations and timeouts.

`OPSORBIT_CLOCK_STEP=path` makes the wall clock wrong by as many seconds as that file says at each look, so that a
test can let it jump; without it there is nothing of that.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

Seconds = float


def _armed() -> Callable[[], Seconds] | None:
    wanted = os.environ.get("OPSORBIT_CLOCK_STEP", "")
    if not wanted:
        return None
    path = Path(wanted)

    def stepped() -> Seconds:
        try:
            step = float(path.read_text())
        except (OSError, ValueError):  # not there yet, or half written
            step = 0.0
        return round(time.time() + step, 3)

    return stepped


def _now() -> Seconds:
    """Unix time in seconds, with the millisecond precision that records carry."""
    return round(time.time(), 3)


now: Callable[[], Seconds] = _armed() or _now


def monotonic() -> Seconds:
    """Seconds that never jump; only differences mean anything."""
    return time.monotonic()
