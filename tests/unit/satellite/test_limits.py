"""Limits that a host keeps itself (contract jobs.md §8). Times are monotonic: a clock that is set changes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.jobs.limits import LimitWatch, Reading, most_log

IDLE = Reading(elapsed=1, log_bytes=0, cpu=0, mem=0)


def limit(kind: Any, **values: Any) -> dict[str, Any]:
    return {"type": kind, "enabled": True, "abort": True, **values}


def watch(*limits: Any, most: int = 0) -> LimitWatch:
    return LimitWatch({"limits": list(limits)}, most)


@pytest.mark.parametrize(
    ("entry", "reading", "after"),
    [
        (limit("time", duration=10), IDLE._replace(elapsed=12.1), 0),
        (limit("log", amount=5), IDLE._replace(log_bytes=6), 2),
        (limit("mem", amount=5, duration=3), IDLE._replace(mem=6), 5),
        (limit("cpu", amount=50, duration=3), IDLE._replace(cpu=51), 5),
        (limit("cpu", amount=50), IDLE._replace(cpu=51), 2),
        (limit("mem", amount="5", duration="1"), IDLE._replace(mem=6), 3),
    ],
)
def test_a_limit_ends_the_job_once_it_was_exceeded_long_enough(
    entry: dict[str, Any], reading: Reading, after: float
) -> None:
    watched = watch(entry)
    assert not watched.exceeded(IDLE, 100)
    if after:
        assert not watched.exceeded(reading, 101)
        assert not watched.exceeded(reading, 101 + after - 0.1)
    assert watched.exceeded(reading, 101 + after)


@pytest.mark.parametrize(
    "entry",
    [
        limit("time", duration=10) | {"enabled": False},
        limit("time", duration=10) | {"abort": False},
        limit("time", duration="soon"),
        limit("time", duration=True),
        limit("time", duration=float("nan")),
        limit("job", amount=1),
        limit("unknown", duration=1),
        limit(["time"], duration=1),
        limit("log"),
        5,
        None,
    ],
)
def test_what_is_no_limit_that_aborts_ends_nothing(entry: Any) -> None:
    watched = watch(entry)
    for at in (0, 1_000):
        assert not watched.exceeded(Reading(elapsed=1e9, log_bytes=10**15, cpu=1e9, mem=1e15), at)


def test_a_pause_starts_the_time_anew() -> None:
    watched = watch(limit("cpu", amount=50, duration=3))
    busy = IDLE._replace(cpu=99)
    assert not watched.exceeded(busy, 0)
    assert not watched.exceeded(IDLE, 4)
    assert not watched.exceeded(busy, 5)
    assert not watched.exceeded(busy, 9)
    assert watched.exceeded(busy, 10)


@given(st.lists(st.floats(0, 200), min_size=1, max_size=60), st.integers(0, 10))
def test_no_job_ends_before_its_duration_and_grace_have_passed(usage: list[float], duration: int) -> None:
    watched = watch(limit("cpu", amount=100, duration=duration))
    streak = 0
    for second, cpu in enumerate(usage):
        streak = streak + 1 if cpu > 100 else 0
        ended = watched.exceeded(IDLE._replace(cpu=cpu), float(second))
        assert bool(ended) == (streak - 1 >= duration + 2)


def test_limits_of_another_shape_are_none() -> None:
    for limits in (None, {}, "x", 5):
        assert not LimitWatch({"limits": limits}).exceeded(IDLE._replace(elapsed=1e9), 0)


def test_the_satellites_own_bound_holds_for_every_job() -> None:
    watched = watch(limit("log", amount=500), most=100)
    assert not watched.exceeded(IDLE._replace(log_bytes=100), 0)
    assert "100 bytes that this satellite takes" in watched.exceeded(IDLE._replace(log_bytes=101), 0)


@pytest.mark.parametrize(
    ("limits", "most", "expected"),
    [
        ([], 0, 0),
        ([], 100, 100),
        ([limit("log", amount=50), limit("log", amount=40)], 100, 40),
        ([limit("log", amount=50) | {"abort": False}], 0, 0),
    ],
)
def test_how_much_log_is_kept(limits: list[Any], most: int, expected: int) -> None:
    assert most_log({"limits": limits}, most) == expected


def test_a_flood_is_ended_at_once() -> None:
    watched = watch(limit("log", amount=1_000))
    assert not watched.flooded(10 * 1024 * 1024)
    assert watched.flooded(20 * 1024 * 1024)
    assert not watch().flooded(10**15)
