"""Timelines: what is kept of an hour, and the rows clients read of it (contract monitoring.md §5)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.monitoring.buckets import (
    HOUR,
    MINUTE,
    BadBlock,
    MinuteBlock,
    OpenHour,
    bucket_of,
    closed,
    decode_bucket,
    decode_minutes,
)
from conductor.monitoring.retention import seconds_of
from conductor.monitoring.rows import SYSTEMS, Window, hour_details, minute_details, minute_sums, rows_of

START = 500_000 * HOUR


def hour_of(samples: dict[int, dict[str, float]], alerts: dict[int, list[str]] | None = None) -> OpenHour:
    hour = OpenHour(START // HOUR)
    for minute, values in samples.items():
        hour.add(START + 60 * minute, bucket_of(values, {}), values, (alerts or {}).get(minute, ()))
    return hour


def test_an_hour_survives_storage_and_goes_on() -> None:
    hour = hour_of({0: {"a": 1.5}, 1: {"a": 2, "b": 7}})
    documents = hour.documents()
    again = OpenHour(hour.number, {resolution: doc for (resolution, _), doc in documents.items()})
    assert again.has(START + 60)
    assert not again.has(START + 120)
    assert not again.has(START + HOUR), "another hour"
    again.add(START + 120, bucket_of({"b": 8}, {}), {"b": 8}, ())
    documents = again.documents()
    ids, rows = decode_minutes(documents[MINUTE, START])
    assert ids == ["a", "b"]
    assert [(row.minute, row.values) for row in rows] == [(0, [1.5]), (1, [2, 7]), (2, [None, 8])]
    bucket = decode_bucket(documents[HOUR, START])
    assert bucket.count == 3
    assert (bucket.series["a"].total, bucket.series["a"].count) == (3.5, 2)
    assert (bucket.series["b"].least, bucket.series["b"].most, bucket.series["b"].last) == (7, 8, 8)


def test_a_closed_hour_is_smaller_and_reads_the_same() -> None:
    doc = hour_of({minute: {"a": 8_000_000 + minute, "b": 1.25} for minute in range(60)}).documents()[
        MINUTE, START
    ]
    small = closed(doc)
    assert len(small) < len(doc) / 2
    assert decode_minutes(small) == decode_minutes(doc)


@pytest.mark.parametrize("doc", [b"", b"x", b"\x78\x9crubbish", b"\x92\x90\xc0", b"\x92\x91\x01\x90"])
def test_broken_history_is_told(doc: bytes) -> None:
    with pytest.raises(BadBlock):
        decode_minutes(doc)
    with pytest.raises(BadBlock):
        decode_bucket(doc)


def test_alerts_of_a_sample_may_be_marked_later() -> None:
    hour = hour_of({3: {"a": 1}}, {3: ["first"]})
    hour.mark(START + 180, ["first", "second"])
    hour.mark(START + 240, ["nowhere"])
    documents = hour.documents()
    _, rows = decode_minutes(documents[MINUTE, START])
    assert rows[0].alerts == ["first", "second"]
    assert decode_bucket(documents[HOUR, START]).alerts == ["first", "second"]


def points(
    samples: dict[int, dict[str, float]], alerts: dict[int, list[str]] | None = None, of: Any = minute_sums
) -> list[tuple[int, Any]]:
    doc = hour_of(samples, alerts).documents()[MINUTE, START]
    return list(of(START, *decode_minutes(doc), None))


def test_two_minutes_of_daily_are_added_and_counted() -> None:
    daily = SYSTEMS["daily"]
    first = daily.slot(START)
    rows = rows_of(
        daily, points({0: {"a": 1}, 1: {"a": 3, "b": 5}, 2: {"a": 9}}, {1: ["x"]}), Window(first, first + 1)
    )
    assert rows == [
        {
            "date": START, "epoch_div": first, "totals": {"a": 4, "b": 5}, "count": 2, "alerts": {"x": True},
            "counts": {"b": 1},
        },
        {"date": START + 120, "epoch_div": first + 1, "totals": {"a": 9}, "count": 1},
    ]  # fmt: skip


def test_what_averages_hide_is_told_on_demand() -> None:
    """Better: least, most and last values are kept beside the sum."""
    daily = SYSTEMS["daily"]
    first = daily.slot(START)
    [row] = rows_of(daily, points({0: {"a": 9}, 1: {"a": 3}}, of=minute_details), Window(first, first))
    assert (row["min"], row["max"], row["last"]) == ({"a": 3}, {"a": 9}, {"a": 3})


@pytest.mark.parametrize(
    ("window", "found"),
    [
        (Window(0, 9), [3, None, None, 6]),
        (Window(0, 9, more_before=True), [None, None, None, 3, None, None, 6]),
        (Window(0, 9, more_after=True), [3, None, None, 6, None, None, None]),
        (Window(4, 5), [None, None]),
        (Window(4, 9), [None, None, 6]),
        (Window(7, 9), []),
        (Window(7, 9, more_after=True), [None, None, None]),
        (Window(0, 2), []),
        (Window(0, 4), [3, None]),
    ],
)
def test_fillers_stand_between_what_is_there(window: Window, found: list[int | None]) -> None:
    """Better: gaps are made up on reading, not stored."""
    hourly = SYSTEMS["hourly"]
    base = hourly.slot(START)
    moved = Window(base + window.first, base + window.last, window.more_before, window.more_after)
    rows = rows_of(hourly, points({3: {"a": 1}, 6: {"a": 1}}), moved)
    assert [row["epoch_div"] - base if "date" in row else None for row in rows] == found
    assert (
        [row["epoch_div"] for row in rows]
        == list(range(rows[0]["epoch_div"], rows[0]["epoch_div"] + len(rows)))
        if rows
        else True
    )


@given(
    st.dictionaries(st.integers(0, 59), st.floats(-1e6, 1e6), min_size=1),
    st.sampled_from(sorted(SYSTEMS)),
    st.sampled_from([minute_sums, minute_details]),
)
def test_every_view_counts_every_sample_once(samples: dict[int, float], system_id: str, of: Any) -> None:
    hour = hour_of({minute: {"a": value} for minute, value in samples.items()})
    documents, system = hour.documents(), SYSTEMS[system_id]
    if system.source == MINUTE:
        found: Any = list(of(START, *decode_minutes(documents[MINUTE, START]), None))
    else:
        found = [hour_details(START, decode_bucket(documents[HOUR, START]), None, detail=True)]
    rows = rows_of(system, found, Window(system.slot(START), system.slot(START + HOUR - 1)))
    assert sum(row.get("count", 0) for row in rows) == len(samples)
    total = sum(row["totals"]["a"] for row in rows if "totals" in row)
    assert total == pytest.approx(sum(samples.values()), abs=1e-3)


@given(st.lists(st.integers(0, 59), unique=True))
def test_rows_are_in_order_of_time(minutes: list[int]) -> None:
    block = MinuteBlock()
    for minute in minutes:
        block.add(minute, {"a": minute})
    _, rows = decode_minutes(block.encode())
    assert [row.minute for row in rows] == sorted(minutes)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("10 years", 315_360_000),
        ("90 days", 7_776_000),
        ("1 Month", 2_592_000),
        ("3600", 3600),
        ("2weeks", 1_209_600),
    ],
)
def test_timelines_are_kept_as_long_as_the_setting_says(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "years", "-1 days", "ten years", "5 fortnights"])
def test_a_bad_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a length of time"):
        seconds_of(text)
