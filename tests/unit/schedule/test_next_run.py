"""Laws of the next run: strictly later, and what looking at every minute finds."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.schedule.evaluation import Turn, evaluate
from conductor.schedule.timetable import read_timetable
from conductor.schedule.triggers.base import Launching
from conductor.schedule.triggers.reading import read
from tests.unit.schedule import brute
from tests.unit.schedule.brute import epoch

ZONES = (
    "UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca",
    "America/St_Johns", "Asia/Tehran", "Pacific/Apia", "America/Sao_Paulo", "Europe/Kiev",
)  # fmt: skip
CHANGES = tuple(
    epoch(text)
    for text in (
        "2025-11-02T05:30", "2026-03-08T06:30", "2026-03-29T00:30", "2026-10-25T00:30", "2026-04-04T14:40",
        "2026-10-03T15:10", "2026-02-15T01:50", "2026-03-22T01:30", "2025-12-31T22:00", "2028-02-28T20:00",
        "2011-12-30T08:00", "2018-11-04T02:00", "2022-03-21T20:00",
    )
)  # fmt: skip
"""Moments near a change of some zone's clocks, and other edges of the calendar."""
WINDOW = 30 * 60
"""Minutes looked at, one by one."""


def some(low: int, high: int, most: int = 3) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(low, high), max_size=most)


hours = st.one_of(st.just([]), some(0, 4), some(0, 23))
minutes = st.one_of(st.just([]), some(0, 59), st.sampled_from([[0], [0, 30], [15, 30, 45, 59]]))
schedules = st.fixed_dictionaries(
    {"type": st.just("schedule")},
    optional={
        "years": st.sampled_from([[], [2026], [2025, 2026], [2011, 2018, 2022, 2028]]),
        "months": st.one_of(st.just([]), some(1, 12, 6)),
        "days": st.one_of(st.just([]), some(1, 31, 6), some(-7, -1)),
        "weekdays": st.one_of(st.just([]), some(0, 6, 4)),
        "hours": hours, "minutes": minutes, "timezone": st.sampled_from(ZONES),
        "dst": st.sampled_from(["repeat", "once", "shift"]),
        "holidays": st.sampled_from([[], ["12-31"], ["2026-03-29", "10-25"]]),
    },
)  # fmt: skip
moments = st.builds(
    lambda change, minute: change + minute * 60, st.sampled_from(CHANGES), st.integers(-300, 300)
)


def window(after: int) -> range:
    return range(after // 60 * 60 + 60, after + WINDOW * 60, 60)


def value(trigger: dict[str, Any]) -> Launching:
    found = read(trigger, "UTC")
    assert hasattr(found, "next_minute")
    return found  # type: ignore[return-value]


@settings(max_examples=50, deadline=None)
@given(schedules, moments)
def test_a_schedules_next_run_is_the_first_minute_that_matches(trigger: dict[str, Any], after: int) -> None:
    found = value(trigger).next_run(after)
    assert found is None or found > after
    expected = next((minute for minute in window(after) if brute.matches(trigger, minute)), None)
    if expected is None:
        assert found is None or found >= window(after).stop
    else:
        assert found == expected


intervals = st.fixed_dictionaries(
    {
        "type": st.just("interval"),
        "start": st.builds(lambda moment, second: moment + second, moments, st.integers(-90_000, 3600)),
        "duration": st.one_of(
            st.integers(1, 7200), st.sampled_from([0.25, 0.5, 1.5, 7.25, 59.5, 90.5, 3600.0, 86_400])
        ),
    }
)


@settings(max_examples=50, deadline=None)
@given(intervals, moments)
def test_an_intervals_hits_are_those_of_every_second(trigger: dict[str, Any], after: int) -> None:
    interval = value(trigger)
    minute: float | None = after
    for expected in (minute for minute in window(after) if brute.matches(trigger, minute)):
        minute = interval.next_minute(minute or 0)
        assert minute == expected
        assert list(interval.seconds(int(minute)) or ()) == brute.interval_seconds(trigger, expected)
        if minute > after + 3 * 3600:
            break


def span(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    def made(start: int, length: int, bounds: int) -> dict[str, Any]:
        doc = {"type": kind, "enabled": True, "start": start, "end": start + length * 60}
        if kind == "range" and bounds:
            doc.pop("start" if bounds == 1 else "end")
        return doc

    return st.builds(made, moments, st.integers(0, 600), st.integers(0, 2))


def events() -> st.SearchStrategy[list[dict[str, Any]]]:
    enabled = st.sampled_from([True, True, True, False])
    singles = st.builds(
        lambda at, second: {"type": "single", "epoch": at + second}, moments, st.integers(0, 59)
    )
    launching = st.lists(
        st.builds(lambda doc, on: {**doc, "enabled": on}, st.one_of(schedules, intervals, singles), enabled),
        min_size=1, max_size=3,
    )  # fmt: skip
    modifiers = st.tuples(
        st.lists(span("range"), max_size=2), st.lists(span("blackout"), max_size=2),
        st.lists(st.builds(lambda n: {"type": "nth", "enabled": True, "every": n}, st.integers(2, 5)), max_size=1),
    ).map(lambda lists: [one for some in lists for one in some])  # fmt: skip
    return st.tuples(launching, modifiers).map(lambda both: [*both[1], *both[0]])


@settings(max_examples=50, deadline=None)
@given(events(), moments, st.integers(1, 200))
def test_an_event_is_due_when_looking_at_every_minute_says_so(
    triggers: list[dict[str, Any]], after: int, most: int
) -> None:
    timetable = read_timetable({"id": "e1", "triggers": triggers}, "UTC")
    expected = list(brute.runs(triggers, window(after)))
    if timetable is None:
        assert not expected
        return
    turn, until, found = Turn(after), window(after)[-1], []
    while turn.done < until:
        before = turn
        evaluation = evaluate(timetable, turn, until, most=most)
        turn = evaluation.turn
        assert turn.done > before.done
        found += [due.minute for due in evaluation.due]
    assert found == expected


@settings(max_examples=30, deadline=None)
@given(events(), moments, st.integers(2, 50))
def test_a_catch_up_of_the_last_minute_alone_does_not_depend_on_its_slices(
    triggers: list[dict[str, Any]], after: int, most: int
) -> None:
    triggers = [*triggers, {"type": "catchup", "enabled": True, "once": True}]
    timetable = read_timetable({"id": "e1", "triggers": triggers}, "UTC")
    if timetable is None:
        return
    until, turn, found = window(after)[-1], Turn(after), []
    for _ in range(WINDOW * 2):
        if turn.done >= until:
            break
        evaluation = evaluate(timetable, turn, until, most=most)
        turn = evaluation.turn
        found += [due.minute for due in evaluation.due]
    assert turn.done == until
    assert found == list(brute.runs(triggers, window(after)))[-1:]
