from datetime import UTC, datetime

import pytest

from conductor.administration import day


def moment(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "at", "tz", "then"),
    [
        ("2026-05-17T03:59:00", "04:00", "UTC", "2026-05-17T04:00:00"),
        ("2026-05-17T04:00:00", "04:00", "UTC", "2026-05-18T04:00:00"),
        ("2026-05-17T01:00:00", "04:00", "Europe/Vienna", "2026-05-17T02:00:00"),
        ("2026-03-29T00:30:00", "02:30", "Europe/Vienna", "2026-03-29T01:30:00"),
        ("2026-12-31T23:59:59", "00:00", "UTC", "2027-01-01T00:00:00"),
    ],
)
def test_the_next_time_of_day(now: str, at: str, tz: str, then: str) -> None:
    assert day.next_time(moment(now), at, tz) == moment(then)


@pytest.mark.parametrize("text", ["", "4", "24:00", "04:60", "soon"])
def test_what_is_no_time_of_day(text: str) -> None:
    assert day.next_time(0.0, text, "UTC") is None


def test_days_are_local() -> None:
    assert day.date(moment("2026-05-17T22:30:00"), "Europe/Vienna") == "2026/05/18"
    assert day.midnight(moment("2026-05-17T22:30:00"), "Europe/Vienna") == moment("2026-05-17T22:00:00")
    assert day.midnight(moment("2026-05-17T22:30:00"), "UTC") == moment("2026-05-17T00:00:00")
