"""Times in words: zones, changes of clocks, months' ends, and what is refused."""

from datetime import UTC, datetime
from typing import Any

import pytest

from conductor.definitions.triggers import as_stored, check_triggers
from conductor.errors import BadParameter
from conductor.schedule.durations import seconds_of
from conductor.schedule.minutes import Minutes, Stretch
from conductor.schedule.timetable import read_timetable
from conductor.schedule.triggers.modifiers import Blackout, Nth, Precision, Range
from conductor.schedule.triggers.moments import Interval, Single
from conductor.schedule.triggers.reading import read
from conductor.schedule.triggers.schedule import Schedule
from tests.unit.schedule.brute import epoch


def next_runs(after: str, count: int, **schedule: Any) -> list[str]:
    trigger = Schedule(**schedule)
    found, time = [], epoch(after)
    for _ in range(count):
        time = trigger.next_run(time) or 0
        found.append(datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M"))
    return found


NEW_YORK: dict[str, Any] = {"timezone": "America/New_York", "minutes": (30,)}


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        # The contract's worked examples (scheduler.md §17).
        ({**NEW_YORK, "hours": (21,), "minutes": (29,)}, "2025-12-18T00:00", ["2025-12-18T02:29"]),
        ({**NEW_YORK, "hours": (1,)}, "2025-11-02T04:00", ["2025-11-02T05:30", "2025-11-02T06:30"]),
        # A backward change: twice, or once by choice; a forward one: never, or put off by choice.
        ({**NEW_YORK, "hours": (1,), "dst": "once"}, "2025-11-02T04:00", ["2025-11-02T05:30", "2025-11-03T06:30"]),
        ({**NEW_YORK, "hours": (2,)}, "2026-03-08T00:00", ["2026-03-09T06:30"]),
        ({**NEW_YORK, "hours": (2,), "dst": "shift"}, "2026-03-08T00:00", ["2026-03-08T07:30", "2026-03-09T06:30"]),
        ({**NEW_YORK, "hours": (2, 3), "dst": "shift"}, "2026-03-08T00:00", ["2026-03-08T07:30", "2026-03-09T06:30"]),
        # Half an hour, three quarters, and a change of half an hour.
        ({"timezone": "Asia/Kolkata", "hours": (0,), "minutes": (0,)}, "2026-01-01T00:00", ["2026-01-01T18:30"]),
        ({"timezone": "Asia/Kathmandu", "hours": (0,), "minutes": (0,)}, "2026-01-01T00:00", ["2026-01-01T18:15"]),
        ({"timezone": "Australia/Lord_Howe", "hours": (1,), "minutes": (45,)}, "2026-04-04T12:00",
         ["2026-04-04T14:45", "2026-04-04T15:15"]),
        # A day that a zone left out.
        ({"timezone": "Pacific/Apia", "months": (12,), "days": (30,), "hours": (12,), "minutes": (0,)},
         "2011-12-29T00:00", ["2012-12-29T22:00"]),
        # Days from the end; the first Monday and the last Friday by both lists together.
        ({"days": (-1,), "hours": (0,), "minutes": (0,)}, "2028-02-01T00:00", ["2028-02-29T00:00", "2028-03-31T00:00"]),
        ({"days": tuple(range(1, 8)), "weekdays": (1,), "hours": (6,), "minutes": (0,)}, "2026-10-25T12:00",
         ["2026-11-02T06:00", "2026-12-07T06:00"]),
        ({"days": tuple(range(-7, 0)), "weekdays": (5,), "hours": (6,), "minutes": (0,)}, "2026-10-01T00:00",
         ["2026-10-30T06:00", "2026-11-27T06:00"]),
        ({"months": (2,), "days": (29,), "hours": (0,), "minutes": (0,)}, "2096-03-01T00:00", ["2104-02-29T00:00"]),
        # Holidays, of a year and of every year.
        ({"hours": (9,), "minutes": (0,), "holidays": ("12-25", "2026-12-26")}, "2026-12-24T12:00",
         ["2026-12-27T09:00"]),
    ],
    ids=str,
)  # fmt: skip
def test_wall_clocks(schedule: dict[str, Any], after: str, expected: list[str]) -> None:
    assert next_runs(after, len(expected), **schedule) == expected


@pytest.mark.parametrize(
    "schedule",
    [
        {"months": (2,), "days": (30,)}, {"years": (2025,)}, {"months": (12,), "days": (25,), "holidays": ("12-25",)},
        {"days": (31,), "months": (4, 6, 9, 11)},
    ],
)  # fmt: skip
def test_what_never_comes_is_told_at_once(schedule: dict[str, Any]) -> None:
    assert Schedule(**schedule).next_run(epoch("2026-01-01T00:00")) is None


@pytest.mark.parametrize(
    "made",
    [
        lambda: Schedule(hours=(24,)), lambda: Schedule(days=(0,)), lambda: Schedule(minutes=(0.5,)),
        lambda: Schedule(timezone="Mars/Olympus"), lambda: Schedule(dst="never"),
        lambda: Schedule(holidays=("25.12.",)), lambda: Schedule(only_seconds=(60,)),
        lambda: Interval(start=60, duration=-5), lambda: Interval(start=60, duration=0),
        lambda: Interval(start=60, duration=float("inf")), lambda: Interval(start=0, duration=5),
        lambda: Single(epoch=0), lambda: Range(start=120, end=60), lambda: Blackout(start=0, end=60),
        lambda: Nth(every=1), lambda: Precision(seconds=(60,)),
    ],
)  # fmt: skip
def test_a_trigger_that_cannot_be_is_refused_by_its_constructor(made: Any) -> None:
    """Where to be better, 3: a negative interval hung the tick for ever."""
    with pytest.raises(BadParameter):
        made()


def test_a_tiny_interval_hits_each_second_once() -> None:
    interval = Interval(start=1_000_000_005, duration=0.0001)
    assert interval.seconds(999_999_960) == tuple(range(45, 60))
    assert interval.seconds(1_000_000_020) == tuple(range(60))
    assert interval.next_run(1_000_000_005) == 1_000_000_006


def test_a_splay_spreads_starts_and_is_the_same_for_whoever_works_it_out() -> None:
    """Where to be better of trigger.yaml: no jitter."""
    trigger = {"type": "schedule", "enabled": True, "splay": 300}
    starts = []
    for number in range(200):
        timetable = read_timetable({"id": f"e{number}", "triggers": [trigger]}, "UTC")
        assert timetable is not None
        [launch] = timetable.launches(600)
        assert timetable.launches(600) == [launch]
        assert launch.now == 600
        starts.append((launch.until or 0) - 600)
    assert all(0 <= start <= 300 for start in starts)
    assert max(starts) - min(starts) > 200


def test_on_demand_triggers_have_no_next_run() -> None:
    for type_ in ("manual", "magic", "keyboard", "startup", "nonsense"):
        assert read({"type": type_}, "UTC") is None


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5 minutes", 300),
        ("90", 90),
        (45.5, 45.5),
        ("2 hours", 7200),
        ("1 day", 86_400),
        ("soon", 300),
        ("", 300),
    ],
)
def test_durations(text: str | float, seconds: float) -> None:
    assert seconds_of(text, 300) == seconds


def test_no_minute_twice_and_none_left_out_that_can_be_had() -> None:
    """Where to be better, 5."""
    minutes = Minutes(600, grace=120)
    assert minutes.next(600) is None
    assert minutes.next(660) == Stretch(600, 660)
    assert minutes.next(600) is None
    assert minutes.next(780) == Stretch(660, 780)
    assert minutes.next(6000) == Stretch(5880, 6000, skipped=5100)
    assert minutes.next(840) == Stretch(780, 840, back=True)
    assert minutes.next(840) is None
    assert minutes.next(780) is None
    assert minutes.next(1200) == Stretch(1080, 1200, back=True)
    assert minutes.next(900) == Stretch(840, 900, back=True)
    assert minutes.next(6000) is None
    assert minutes.next(6060) == Stretch(6000, 6060)
    minutes.pass_by(7200)
    assert minutes.next(1260) is None
    assert minutes.next(7260) == Stretch(7200, 7260)


EVERY = {"minutes": [], "hours": [], "days": [], "months": [], "weekdays": []}


@pytest.mark.parametrize(
    ("line", "lists"),
    [
        ("* * * * *", EVERY), ("*/15 * * * *", {**EVERY, "minutes": [0, 15, 30, 45]}),
        ("5,35 9-17/4 * * mon-fri", {**EVERY, "minutes": [5, 35], "hours": [9, 13, 17], "weekdays": [1, 2, 3, 4, 5]}),
        ("0 0 1 jan,JUL *", {**EVERY, "minutes": [0], "hours": [0], "days": [1], "months": [1, 7]}),
        ("@weekly", {**EVERY, "minutes": [0], "hours": [0], "weekdays": [0]}),
        ("0 6 * * 5-7", {**EVERY, "minutes": [0], "hours": [6], "weekdays": [0, 5, 6]}),
        ("50/5 * * * *", {**EVERY, "minutes": [50, 55]}), ("*/20 * * * * *", {**EVERY, "seconds": [0, 20, 40]}),
    ],
)  # fmt: skip
def test_crontab_lines(line: str, lists: dict[str, list[int]]) -> None:
    """Where to be better, 7: no crontab text was kept, and no seconds."""
    library: Any = None
    trigger = {"type": "schedule", "enabled": True, "crontab": line}
    check_triggers([trigger], [], library)
    assert as_stored([trigger], "e1") == [{**trigger, **lists}]


@pytest.mark.parametrize(
    "line",
    [" ", "* * * *", "60 * * * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "0 0 1 * 1", "1,, * * * *", "-5 * * * *",
     "* * * * * * *", "@never", "*/99999999999999 x * * *", "٣ * * * *", 5],
)  # fmt: skip
def test_what_is_no_crontab_line_is_refused(line: Any) -> None:
    library: Any = None
    with pytest.raises(BadParameter, match="crontab"):
        check_triggers([{"type": "schedule", "enabled": True, "crontab": line}], [], library)
