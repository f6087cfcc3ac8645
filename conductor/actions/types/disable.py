"""Disable Event: recorded here, applied when the job is stored (contract actions.md §6)."""

from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    if occasion.job is None:
        return failed("disable", "Only a job can disable its event.")
    wanted = occasion.job.job.get("update_event")
    occasion.job.set(update_event={**(wanted if isinstance(wanted, dict) else {}), "enabled": False})
    return Result(0, "The event will be disabled when the job is stored.")
