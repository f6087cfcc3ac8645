"""States and special result codes of a job (contract jobs.md §2, §14)."""

from enum import StrEnum
from typing import Any


class JobState(StrEnum):
    START_DELAY = "start_delay"
    RETRY_DELAY = "retry_delay"
    READY = "ready"
    QUEUED = "queued"
    STARTING = "starting"
    ACTIVE = "active"
    FINISHING = "finishing"
    COMPLETE = "complete"


ABORT = "abort"
WARNING = "warning"
CRITICAL = "critical"


def succeeded(code: Any) -> bool:
    """Whether a result code means success: 0 and false do."""
    return not code
