"""How monitors' history is kept: an hour of minutes as it came, and the hour summed up. Pure.

Every view of a timeline follows from these two (`rows`): two minutes are a bucket of `daily`, an hour is one of
`monthly`, twelve hours are one of `yearly`. Both change with the same sample and are written together, so that no
view can count a sample that another one lost.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from conductor.monitoring.monitors import Number

MINUTE = 60
HOUR = 3600
_COMPRESSED = 0x78
"""First byte of zlib's format, which no msgpack array of two has."""

_encode = msgspec.msgpack.Encoder().encode


class BadBlock(ValueError):
    """Stored bytes that are no history."""


class Series(msgspec.Struct, array_like=True):
    """One monitor in one bucket."""

    count: int
    total: Number
    least: Number
    most: Number
    last: Number
    increase: Number = 0
    """Sum of what a counter grew by, over its restarts."""

    def add(self, other: "Series") -> None:
        """Take in what came later."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        self.last = other.last
        self.increase += other.increase


class Bucket(msgspec.Struct, array_like=True):
    """The samples of a stretch of time."""

    count: int = 0
    series: dict[str, Series] = {}
    alerts: list[str] = []
    """Definitions that fired in it."""

    def add(self, other: "Bucket") -> None:
        self.count += other.count
        for id, later in other.series.items():
            known = self.series.get(id)
            if known is None:
                self.series[id] = later
            else:
                known.add(later)
        self.mark(other.alerts)

    def add_earlier(self, other: "Bucket") -> None:
        """Take in what was measured before the newest sample here: the last values stay."""
        last = {id: known.last for id in other.series if (known := self.series.get(id)) is not None}
        self.add(other)
        for id, value in last.items():
            self.series[id].last = value

    def mark(self, alerts: Iterable[str]) -> None:
        self.alerts = [*dict.fromkeys((*self.alerts, *alerts))]


_bucket_decoder = msgspec.msgpack.Decoder(Bucket)


def bucket_of(values: Mapping[str, Number], increases: Mapping[str, Number]) -> Bucket:
    """The bucket of a single sample."""
    series = {id: Series(1, value, value, value, value, increases.get(id, 0)) for id, value in values.items()}
    return Bucket(1, series)


def encode_bucket(bucket: Bucket) -> bytes:
    return _encode(bucket)


def decode_bucket(doc: bytes) -> Bucket:
    """Raises BadBlock."""
    try:
        return _bucket_decoder.decode(doc)
    except (msgspec.MsgspecError, ValueError) as error:
        raise BadBlock(str(error)) from None


class MinuteRow(msgspec.Struct, array_like=True, frozen=True):
    minute: int
    """Of the hour, 0-59."""
    values: list[Number | None]
    """By the block's list of monitors; what is missing at the end had no value, as None."""
    alerts: list[str] = []


class _Block(msgspec.Struct, array_like=True):
    ids: list[str]
    rows: list[MinuteRow]


_row_decoder = msgspec.msgpack.Decoder(MinuteRow)
_block_decoder = msgspec.msgpack.Decoder(_Block)


class MinuteBlock:
    """The minutes of one hour of one server. Rows are kept encoded: there are as many blocks as servers."""

    __slots__ = ("_ids", "_rows")

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._rows: dict[int, bytes] = {}

    @classmethod
    def decode(cls, doc: bytes) -> "MinuteBlock":
        """Raises BadBlock."""
        block = cls()
        ids, rows = decode_minutes(doc)
        block._ids = {id: place for place, id in enumerate(ids)}
        block._rows = {row.minute: _encode(row) for row in rows}
        return block

    def __contains__(self, minute: int) -> bool:
        return minute in self._rows

    @property
    def newest(self) -> int:
        """Its last minute, -1 without any."""
        return max(self._rows, default=-1)

    def add(self, minute: int, values: Mapping[str, Number], alerts: Iterable[str] = ()) -> None:
        """Set a minute's row; one that is there is replaced."""
        ids = self._ids
        for id in values:
            if id not in ids:
                ids[id] = len(ids)
        self._rows[minute] = _encode(MinuteRow(minute, [values.get(id) for id in ids], list(alerts)))

    def mark(self, minute: int, alerts: Iterable[str]) -> None:
        """Note alerts that fired with a row that is there."""
        row = _row_decoder.decode(self._rows[minute])
        self._rows[minute] = _encode(MinuteRow(minute, row.values, [*dict.fromkeys((*row.alerts, *alerts))]))

    def encode(self) -> bytes:
        rows = self._rows
        return b"".join(
            (b"\x92", _encode(list(self._ids)), b"\xdc", len(rows).to_bytes(2, "big"), *rows.values())
        )


def decode_minutes(doc: bytes) -> tuple[list[str], list[MinuteRow]]:
    """The monitors of a block and its rows in order of time. Raises BadBlock."""
    try:
        block = _block_decoder.decode(zlib.decompress(doc) if doc[:1] == bytes((_COMPRESSED,)) else doc)
    except (msgspec.MsgspecError, ValueError, zlib.error) as error:
        raise BadBlock(str(error)) from None
    block.rows.sort(key=lambda row: row.minute)
    return block.ids, block.rows


def closed(doc: bytes) -> bytes:
    """A block that will not change any more, in a third of its size."""
    return zlib.compress(doc, 6)


Key = tuple[int, int]
"""Of a stored row: resolution in seconds (MINUTE or HOUR), start as Unix time."""


class OpenHour:
    """The hour of a server that is being filled: all that its next sample depends on."""

    __slots__ = ("_bucket", "_minutes", "number")

    def __init__(self, number: int, stored: Mapping[int, bytes] | None = None) -> None:
        """`number`: hours since 1970; `stored`: documents of that hour by resolution. Raises BadBlock."""
        self.number = number
        stored = stored or {}
        minutes, bucket = stored.get(MINUTE), stored.get(HOUR)
        self._minutes = MinuteBlock.decode(minutes) if minutes else MinuteBlock()
        self._bucket = decode_bucket(bucket) if bucket else Bucket()

    @property
    def empty(self) -> bool:
        return not self._bucket.count

    def has(self, date: int) -> bool:
        """Whether it holds a sample of that minute."""
        return date // HOUR == self.number and date // MINUTE % 60 in self._minutes

    def add(self, date: int, bucket: Bucket, values: Mapping[str, Number], alerts: Iterable[str]) -> None:
        """Take in a sample of a minute that is not there yet."""
        bucket.mark(alerts)
        self._minutes.add(date // MINUTE % 60, values, bucket.alerts)
        self._bucket.add(bucket)

    def insert(self, date: int, values: Mapping[str, Number]) -> bool:
        """Take in a sample that came late; False where its minute has one.

        What counters grew by in a cut is with the first sample after it, and is not counted again.
        """
        if self.has(date):
            return False
        minute = date // MINUTE % 60
        later = minute > self._minutes.newest
        self._minutes.add(minute, values)
        bucket = bucket_of(values, {})
        if later:
            self._bucket.add(bucket)
        else:
            self._bucket.add_earlier(bucket)
        return True

    def mark(self, date: int, alerts: Sequence[str]) -> None:
        """Note alerts that fired on a sample that was taken in already."""
        if self.has(date):
            self._minutes.mark(date // MINUTE % 60, alerts)
            self._bucket.mark(alerts)

    def documents(self, *, close: bool = False) -> dict[Key, bytes]:
        """Its two rows as they are to be stored. `close`: no sample of it is expected any more."""
        start = self.number * HOUR
        minutes = self._minutes.encode()
        return {
            (MINUTE, start): closed(minutes) if close else minutes,
            (HOUR, start): encode_bucket(self._bucket),
        }
