"""Delete Event: recorded here, applied when the job has left (contract actions.md §6)."""

from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    if occasion.job is None:
        return failed("delete", "Only a job can delete its event.")
    occasion.job.set(delete_event=True)
    return Result(0, "The event will be deleted when the job is stored.")
