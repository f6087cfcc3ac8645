"""Rows of a timeline as clients read them (contract monitoring.md §5). Pure.

A timeline is a list without holes: a bucket without samples between two others is a filler `{epoch_div}`.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conductor.monitoring.buckets import HOUR, MINUTE, Bucket, MinuteRow, Series

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


def minute_points(
    start: int, ids: Sequence[str], rows: Iterable[MinuteRow], wanted: Container[str] | None
) -> Iterator[tuple[int, Bucket]]:
    """The buckets of a stored hour by Unix time; of the monitors in `wanted`, or of all."""
    for row in rows:
        series = {
            id: Series(1, value, value, value, value)
            for id, value in zip(ids, row.values, strict=False)
            if value is not None and (wanted is None or id in wanted)
        }
        yield start + row.minute * MINUTE, Bucket(1, series, row.alerts)


def rows_of(
    system: System, points: Iterable[tuple[int, Bucket]], window: Window, *, detail: bool = False
) -> list[Json]:
    """The rows of a window. `points`: by Unix time, in order; those outside only tell that there is more.

    `detail` adds what averages hide: least, most and last value, number of values, growth of counters.
    """
    slots: dict[int, Bucket] = {}
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
        row_of(system, slot, bucket, detail=detail) if (bucket := slots.get(slot)) else {"epoch_div": slot}
        for slot in range(first, last + 1)
    ]


def row_of(system: System, slot: int, bucket: Bucket, *, detail: bool) -> Json:
    series = bucket.series
    row: Json = {
        "date": slot * system.seconds,
        "epoch_div": slot,
        "totals": {id: one.total for id, one in series.items()},
        "count": bucket.count,
    }
    if bucket.alerts:
        row["alerts"] = dict.fromkeys(bucket.alerts, True)
    fewer = {id: one.count for id, one in series.items() if one.count != bucket.count}
    if fewer:
        row["counts"] = fewer
    if detail:
        row["min"] = {id: one.least for id, one in series.items()}
        row["max"] = {id: one.most for id, one in series.items()}
        row["last"] = {id: one.last for id, one in series.items()}
        if system.source == HOUR:
            row["increase"] = {id: one.increase for id, one in series.items()}
    return row
