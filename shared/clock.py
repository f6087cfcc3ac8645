"""The two clocks. Wall time is for records and schedules, monotonic time for durations and timeouts."""

import time

Seconds = float


def now() -> Seconds:
    """Unix time in seconds, with the millisecond precision that records carry."""
    return round(time.time(), 3)


def monotonic() -> Seconds:
    """Seconds that never jump; only differences mean anything."""
    return time.monotonic()
