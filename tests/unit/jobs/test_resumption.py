"""The reconnection table of durability.md, row by row."""

import pytest

from conductor.jobs.resumption import Known, Step, compare
from shared.protocol.messages import HeldJob, HeldState

HERE = Known(in_book=True, here=True, attempt=1)
ELSEWHERE = Known(in_book=True, here=False, attempt=1)
LATER = Known(in_book=True, here=True, attempt=2)
ARCHIVED = Known(in_book=False, archived=True)
ABORTED = Known(in_book=False, archived=True, aborted=True)
GIVEN_UP = Known(in_book=False, archived=True, aborted=True, given_up=True)
FORGOTTEN = Known(in_book=True, here=False, attempt=0)
UNKNOWN = Known(in_book=False)


@pytest.mark.parametrize(
    ("known", "state", "step"),
    [
        (HERE, HeldState.TAKEN, Step.NOTHING),
        (HERE, HeldState.RUNNING, Step.NOTHING),
        (HERE, HeldState.FINISHED, Step.NOTHING),
        (HERE, HeldState.LOST, Step.NOTHING),
        (ARCHIVED, HeldState.FINISHED, Step.ACKNOWLEDGE),
        (ARCHIVED, HeldState.LOST, Step.ACKNOWLEDGE),
        (ARCHIVED, HeldState.RUNNING, Step.ABORT),
        (ABORTED, HeldState.FINISHED, Step.NOTHING),  # its result is on its way, and wanted
        (ABORTED, HeldState.LOST, Step.ACKNOWLEDGE),
        (ABORTED, HeldState.RUNNING, Step.ABORT),
        (GIVEN_UP, HeldState.TAKEN, Step.NOTHING),
        (GIVEN_UP, HeldState.RUNNING, Step.NOTHING),  # what runs after a long cut is not ended for it
        (GIVEN_UP, HeldState.FINISHED, Step.NOTHING),
        (GIVEN_UP, HeldState.LOST, Step.ACKNOWLEDGE),
        (UNKNOWN, HeldState.RUNNING, Step.ADOPT),
        (UNKNOWN, HeldState.FINISHED, Step.ADOPT),
        (ELSEWHERE, HeldState.RUNNING, Step.ABORT),
        (ELSEWHERE, HeldState.FINISHED, Step.ACKNOWLEDGE),
        (LATER, HeldState.RUNNING, Step.ABORT),
        (FORGOTTEN, HeldState.RUNNING, Step.CLAIM),
        (FORGOTTEN, HeldState.FINISHED, Step.CLAIM),
    ],
)
def test_comparing_notes(known: Known, state: HeldState, step: Step) -> None:
    assert compare(known, HeldJob(id="j1", attempt=1, state=state)) is step
