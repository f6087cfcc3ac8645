"""Rows of a timeline as clients read them (contract monitoring.md §5). Pure.

A timeline is a list without holes: a bucket without samples between two others is a filler `{epoch_div}`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from conductor.monitoring.buckets import HOUR, MINUTE, Bucket, MinuteRow, bucket_of
from conductor.monitoring.monitors import Number

Json = dict[str, Any]

MOST_ROWS = 100_000
"""Rows of one answer; `limit` 0 means all of a timeline up to this."""


@dataclass(frozen=True, slots=True)
class System:
    """One of the four views. `seconds`: length of its buckets; `source`: resolution of what it is made of."""

    id: str
    seconds: int
    source: int

    def slot(self, date: int) -> int:
        """The bucket of a Unix time: its `epoch_div`."""
        return date // self.seconds


SYSTEMS: Mapping[str, System] = {
    system.id: system
    for system in (
        System("hourly", 60, MINUTE),
        System("daily", 120, MINUTE),
        System("monthly", 3600, HOUR),
        System("yearly", 43_200, HOUR),
    )
}


@dataclass(frozen=True, slots=True)
class Window:
    """Buckets `first` to `last`, both included. Fillers stand between what is stored, and up to an edge
    beyond which there is more."""

    first: int
    last: int
    more_before: bool = False
    more_after: bool = False


class Sums:
    """The minutes of a bucket, as far as a plain row shows them: a day has twenty thousand values to add up."""

    __slots__ = ("alerts", "count", "counts", "totals")

    def __init__(self, totals: dict[str, Number], alerts: list[str]) -> None:
        self.count = 1
        self.totals = totals
        self.alerts = alerts
        self.counts: dict[str, int] | None = None
        """By monitor, once they differ."""

    def add(self, other: "Sums") -> None:
        totals = self.totals
        if self.counts is None and totals.keys() != other.totals.keys():
            self.counts = dict.fromkeys(totals, self.count)
        if self.counts is not None:
            for id in other.totals:
                self.counts[id] = self.counts.get(id, 0) + 1
        for id, value in other.totals.items():
            totals[id] = totals[id] + value if id in totals else value
        self.count += 1
        if other.alerts:
            self.alerts = [*dict.fromkeys((*self.alerts, *other.alerts))]

    def row(self, system: System, slot: int) -> Json:
        row = _row(system, slot, self.totals, self.count, self.alerts)
        if self.counts is not None:
            fewer = {id: count for id, count in self.counts.items() if count != self.count}
            if fewer:
                row["counts"] = fewer
        return row


class Details:
    """A bucket with all that is known of it. `detail` tells what averages hide: least, most and last value, and
    the growth of counters."""

    __slots__ = ("_detail", "bucket")

    def __init__(self, bucket: Bucket, *, detail: bool) -> None:
        self.bucket = bucket
        self._detail = detail

    def add(self, other: "Details") -> None:
        self.bucket.add(other.bucket)

    def row(self, system: System, slot: int) -> Json:
        bucket, series = self.bucket, self.bucket.series
        row = _row(system, slot, {id: one.total for id, one in series.items()}, bucket.count, bucket.alerts)
        fewer = {id: one.count for id, one in series.items() if one.count != bucket.count}
        if fewer:
            row["counts"] = fewer
        if self._detail:
            row["min"] = {id: one.least for id, one in series.items()}
            row["max"] = {id: one.most for id, one in series.items()}
            row["last"] = {id: one.last for id, one in series.items()}
            if system.source == HOUR:
                row["increase"] = {id: one.increase for id, one in series.items()}
        return row


Point = TypeVar("Point", Sums, Details)
"""What a timeline has at one moment."""


def minute_sums(
    start: int, ids: Sequence[str], rows: Iterable[MinuteRow], wanted: Container[str] | None
) -> Iterator[tuple[int, Sums]]:
    """The minutes of a stored hour by Unix time; of the monitors in `wanted`, or of all."""
    for date, values, alerts in _minutes(start, ids, rows, wanted):
        yield date, Sums(values, alerts)


def minute_details(
    start: int, ids: Sequence[str], rows: Iterable[MinuteRow], wanted: Container[str] | None
) -> Iterator[tuple[int, Details]]:
    """As `minute_sums`, for rows with details."""
    for date, values, alerts in _minutes(start, ids, rows, wanted):
        bucket = bucket_of(values, {})
        bucket.mark(alerts)
        yield date, Details(bucket, detail=True)


def hour_details(
    start: int, bucket: Bucket, wanted: Container[str] | None, *, detail: bool
) -> tuple[int, Details]:
    """A stored hour's sum."""
    if wanted is not None:
        bucket.series = {id: series for id, series in bucket.series.items() if id in wanted}
    return start, Details(bucket, detail=detail)


def rows_of(system: System, points: Iterable[tuple[int, Point]], window: Window) -> list[Json]:
    """The rows of a window. `points`: by Unix time, in order; those outside only tell that there is more."""
    slots: dict[int, Point] = {}
    more_before, more_after = window.more_before, window.more_after
    for date, found in points:
        slot = system.slot(date)
        if slot < window.first:
            more_before = True
        elif slot > window.last:
            more_after = True
        elif slot in slots:
            slots[slot].add(found)
        else:
            slots[slot] = found
    first = window.first if more_before else min(slots, default=window.last + 1)
    last = window.last if more_after and (slots or more_before) else max(slots, default=window.first - 1)
    return [
        bucket.row(system, slot) if (bucket := slots.get(slot)) is not None else {"epoch_div": slot}
        for slot in range(first, last + 1)
    ]


def _minutes(
    start: int, ids: Sequence[str], rows: Iterable[MinuteRow], wanted: Container[str] | None
) -> Iterator[tuple[int, dict[str, Number], list[str]]]:
    for row in rows:
        values: dict[str, Number]
        if wanted is None and None not in row.values:
            values = dict(zip(ids, row.values, strict=False))  # type: ignore[arg-type]
        else:
            values = {
                id: value
                for id, value in zip(ids, row.values, strict=False)
                if value is not None and (wanted is None or id in wanted)
            }
        yield start + row.minute * MINUTE, values, row.alerts


def _row(system: System, slot: int, totals: Mapping[str, Number], count: int, alerts: Iterable[str]) -> Json:
    row: Json = {"date": slot * system.seconds, "epoch_div": slot, "totals": totals, "count": count}
    if alerts:
        row["alerts"] = dict.fromkeys(alerts, True)
    return row
