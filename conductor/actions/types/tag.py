"""Apply Tags. They fire no `tag:` condition of the same phase; unknown ones are dropped at the job's end."""

from conductor.actions.occasion import Means, Occasion
from conductor.actions.recipients import listed
from conductor.actions.result import Result, failed


async def run(occasion: Occasion, means: Means) -> Result:
    if occasion.job is None:
        return failed("tag", "Only a job can be tagged.")
    tags = listed(occasion.action.get("tags"))
    if not tags:
        return failed("tag", "No tags selected.")
    occasion.job.set(tags=list(dict.fromkeys((*listed(occasion.job.job.get("tags")), *tags))))
    return Result(0, f"Applied tags: {', '.join(tags)}")
