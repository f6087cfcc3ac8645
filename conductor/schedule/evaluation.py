"""What is due of one event between two minutes, with catch-up and nth (contract scheduler.md §5, §8, §9). Pure."""

from typing import NamedTuple

from conductor.schedule.timetable import Launch, Timetable
from conductor.schedule.triggers.base import MINUTE


class Turn(NamedTuple):
    """Where an event stands: what a previous evaluation left."""

    done: int
    """The last minute that was evaluated; what is later is due."""
    counter: float = 0
    """Of nth: due minutes until the next run."""
    counted: int = 0
    """The last minute that `counter` has counted."""


class Due(NamedTuple):
    """One minute in which the event launches."""

    minute: int
    launches: list[Launch]


class Evaluation(NamedTuple):
    due: list[Due]
    turn: Turn
    """Where the event stands after it; `done` is less than what was asked for when `most` was reached."""
    left_out: int = 0
    """Due minutes that a catch-up of the kind `once` left out."""


def evaluate(timetable: Timetable, turn: Turn, until: int, *, most: int = 1000) -> Evaluation:
    """Every due minute later than `turn.done`, up to and including `until`; at most `most` are looked at."""
    once = timetable.catch_up is not None and timetable.catch_up.once
    minutes: list[int] = []
    done, counter, counted = turn
    left_out = 0
    for _ in range(most):
        minute = timetable.next_minute(done)
        if minute is None or minute > until:
            done = max(done, until)
            break
        done = minute
        if timetable.nth is not None and minute > counted:
            runs, counter = timetable.nth.decide(counter)
            counted = minute
            if not runs:
                continue
        if once and minutes:
            minutes.clear()
            left_out += 1
        minutes.append(minute)
    if once and done < until and minutes:
        done = minutes.pop() - MINUTE  # whether it is the last one shows when the rest has been looked at
    due = [Due(minute, timetable.launches(minute)) for minute in minutes]
    return Evaluation(due, Turn(done, counter, counted), left_out)


def skipped_to(turn: Turn, since: int) -> Turn:
    """Without catch-up: minutes up to `since` are gone."""
    return turn._replace(done=max(turn.done, since))
