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
    held: int = 0
    """With `once`: a minute that runs unless a later one does, which is not known yet; 0: none."""

    @property
    def settled(self) -> int:
        """The last minute of which nothing is to come any more."""
        return self.held - MINUTE if self.held else self.done


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
    done, counter, counted, held = turn
    minutes = [held] if held else []
    left_out = 0
    for _ in range(most):
        minute = timetable.next_minute(done)
        if minute is None or minute > until:
            done = max(done, until)
            break
        done = minute
        if timetable.nth is not None:
            if minute <= counted:  # it has had its turn, before its cursor could be moved
                continue
            runs, counter = timetable.nth.decide(counter)
            counted = minute
            if not runs:
                continue
        if once and minutes:
            minutes.clear()
            left_out += 1
        minutes.append(minute)
    held = minutes.pop() if once and done < until and minutes else 0
    due = [Due(minute, timetable.launches(minute)) for minute in minutes]
    return Evaluation(due, Turn(done, counter, counted, held), left_out)
