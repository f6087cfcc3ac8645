"""What to do about a job when book and satellite compare notes (durability.md, "Reconnection"). Pure."""

from enum import Enum, auto
from typing import NamedTuple

from shared.protocol.messages import HeldJob, HeldState


class Known(NamedTuple):
    """What the conductor knows of the attempt a satellite holds."""

    in_book: bool
    """The job is active."""
    here: bool = False
    """It is assigned to this satellite."""
    attempt: int = 0
    archived: bool = False
    aborted: bool = False
    """Archived as aborted: the result may tell of another end."""
    given_up: bool = False
    """Archived as dead, because nothing was heard of it, and not launched again."""


class Step(Enum):
    NOTHING = auto()
    """The satellite goes on by itself: it starts, ships its log, or sends its result."""
    ACKNOWLEDGE = auto()
    """The archive has it; the satellite may forget it."""
    ABORT = auto()
    """Nobody waits for this attempt any more."""
    ADOPT = auto()
    """The book was lost, the work is not: ask for a copy."""
    CLAIM = auto()
    """The book has lost the assignment alone: the job is where this attempt is."""


def compare(known: Known, held: HeldJob) -> Step:
    ended = held.state in (HeldState.FINISHED, HeldState.LOST)
    if known.in_book:
        if held.attempt > known.attempt:
            return Step.CLAIM
        if known.here and known.attempt <= held.attempt:
            return Step.NOTHING
        return Step.ACKNOWLEDGE if ended else Step.ABORT
    if known.archived:
        if known.aborted and held.state is HeldState.FINISHED:
            return Step.NOTHING
        if known.given_up and not ended:
            return Step.NOTHING
        return Step.ACKNOWLEDGE if ended else Step.ABORT
    return Step.ADOPT
