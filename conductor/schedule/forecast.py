"""What will run, and what will not and why: the schedule's own rules, asked ahead of time. Pure.

Contract scheduler.md §15. Nothing is assumed about limits; plugins are taken to allow their launches.
"""

import heapq
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from conductor.schedule.evaluation import Turn
from conductor.schedule.timetable import Entry, Launch, Timetable
from conductor.schedule.triggers.base import MINUTE, floored

_MOST_LOOKS = 20_000
"""Minutes looked at for one forecast; a schedule that is blocked for longer answers what it has found."""
_MOST_SUPPRESSED = 50


class Run(NamedTuple):
    minute: int
    launches: list[Launch]


class Suppressed(NamedTuple):
    """A minute that a trigger names and a modifier refuses."""

    minute: int
    by: str
    """range, blackout or nth."""
    modifier: int | None
    """The modifier in the event's list, where it is a single one."""
    entries: list[Entry]
    until: int | None = None
    """Nothing runs before the minute after this one, for the same reason; None: this minute alone or for ever."""


class Forecast(NamedTuple):
    runs: list[Run]
    suppressed: list[Suppressed]


class Look(NamedTuple):
    """What one launching trigger says of one minute."""

    entry: Entry
    reason: str
    """Why it does not name the minute; empty when it does."""


def forecast(timetable: Timetable, turn: Turn, count: int) -> Forecast:
    """The next `count` minutes that run after `turn`, and what modifiers keep from running until then."""
    runs: list[Run] = []
    suppressed: list[Suppressed] = []
    counter, after = turn.counter, float(turn.done)
    for _ in range(_MOST_LOOKS):
        if len(runs) >= count or (minute := timetable.next_match(after)) is None:
            break
        after = minute
        if (refused := _refused(timetable, minute)) is not None:
            suppressed.append(refused)
            resumed = timetable.next_minute(minute)
            if resumed is None:
                break
            after = max(after, (refused.until or minute))
            continue
        if timetable.nth is not None and minute > turn.counted:
            runs_now, counter = timetable.nth.decide(counter)
            if not runs_now:
                suppressed.append(Suppressed(minute, "nth", None, timetable.chosen(minute)))
                continue
        runs.append(Run(minute, timetable.launches(minute)))
    return Forecast(runs, suppressed[:_MOST_SUPPRESSED])


def judged(timetable: Timetable, moment: float) -> tuple[list[Look], Suppressed | None]:
    """What each launching trigger says of a moment's minute, and the range or blackout that refuses it."""
    minute = floored(moment)
    looks = [Look(entry, entry.trigger.why_not(minute)) for entry in timetable.entries]
    return looks, _refused(timetable, minute)


def _refused(timetable: Timetable, minute: int) -> Suppressed | None:
    if timetable.outside_ranges(minute):
        starts = [
            one.trigger.start for one in timetable.ranges if one.trigger.start and one.trigger.start > minute
        ]
        until = min(starts) - MINUTE if starts else None
        return Suppressed(minute, "range", None, timetable.chosen(minute), until)
    blackout = timetable.blackout_at(minute)
    if blackout is not None:
        end = blackout.trigger.end
        return Suppressed(minute, "blackout", blackout.index, timetable.chosen(minute), end)
    return None


def upcoming(events: Iterable[tuple[Timetable, Turn]], until: int, most: int) -> Iterator[dict[str, Any]]:
    """Rows of all events in the order of their minutes, up to and including `until` (contract §15)."""
    heap: list[tuple[int, int, Timetable, Turn]] = []
    for number, (timetable, turn) in enumerate(events):
        _push(heap, number, timetable, turn, until)
    rows = 0
    while heap and rows < most:
        minute, number, timetable, turn = heapq.heappop(heap)
        runs, turn = _counted(timetable, turn, minute)
        if runs:
            rows += 1
            yield _row(timetable, minute)
        _push(heap, number, timetable, turn, until)


def _push(
    heap: list[tuple[int, int, Timetable, Turn]], number: int, timetable: Timetable, turn: Turn, until: int
) -> None:
    minute = timetable.next_minute(turn.done)
    if minute is not None and minute <= until:
        heapq.heappush(heap, (minute, number, timetable, turn))


def _counted(timetable: Timetable, turn: Turn, minute: int) -> tuple[bool, Turn]:
    if timetable.nth is None or minute <= turn.counted:
        return True, turn._replace(done=minute)
    runs, counter = timetable.nth.decide(turn.counter)
    return runs, Turn(minute, counter, minute)


def _row(timetable: Timetable, minute: int) -> dict[str, Any]:
    """One row for an event and minute, whichever of its triggers launch."""
    chosen = timetable.chosen(minute)
    row: dict[str, Any] = {
        "event": timetable.event_id,
        "epoch": minute,
        "type": chosen[0].trigger.TYPE if chosen else "",
    }
    hits = sorted({launch.second for launch in timetable.launches(minute) if launch.second is not None})
    if hits:
        row["seconds"] = hits
    if timetable.plugin is not None:
        row["plugin"] = timetable.plugin.plugin_id
    if timetable.quiet is not None and timetable.quiet.invisible:
        row["invisible"] = True
    return row
