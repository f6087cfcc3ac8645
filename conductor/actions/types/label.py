"""Apply Label: macros expanded, markup removed (contract actions.md §6)."""

from conductor.actions import texts
from conductor.actions.occasion import Means, Occasion
from conductor.actions.result import Result, failed
from conductor.definitions.text import stripped

_LONGEST = 1_000


async def run(occasion: Occasion, means: Means) -> Result:
    if occasion.job is None:
        return failed("label", "Only a job can be labelled.")
    label = occasion.action.get("label")
    if not isinstance(label, str) or not label.strip():
        return failed("label", "No label specified.")
    text = stripped(texts.expanded(label, occasion.data, means.around))[:_LONGEST].strip()
    occasion.job.set(label=text)
    return Result(0, f"Applied label: {text}")
