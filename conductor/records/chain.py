"""The causal event log's rows: numbered without gaps and chained by hash, in the transaction of their change.

Each row's hash is SHA-256 over the hash of the row before it and the row's own content; whoever changes,
removes or inserts a row without writing all later ones anew breaks the chain at that row. Only the writer's
thread appends, so that numbers follow the order of commits.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from conductor.records.bulk import BulkInserts
from conductor.records.statements import insert_new
from conductor.records.tables import events
from conductor.signals import EventRow

CONTENT: Final = EventRow._fields
"""The columns that a hash covers, in this order, as a msgpack array after the number and the hash before."""

START: Final = bytes(32)
"""The hash before the first row."""

_INSERT = insert_new(events)
_KEYS: Final = ("seq", *CONTENT, "hash")
_LAST = sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)
_PAGE: Final = 2000

_pack = msgspec.msgpack.Encoder().encode
_sha256 = hashlib.sha256


class Head(NamedTuple):
    """The newest row: its number and hash."""

    seq: int
    hash: bytes


class Break(NamedTuple):
    """Where a chain is broken first."""

    seq: int
    reason: str


def row_hash(before: bytes, seq: int, row: EventRow) -> bytes:
    """The hash of row number `seq`."""
    return _sha256(_pack((before, seq, *row))).digest()


class TwiceError(Exception):
    """An event is in the log already, or is among the others twice: nothing may be committed."""


class Chain:
    """Appends to the log. Belongs to the writer's thread; every call is inside an open transaction."""

    def __init__(self, inserts: BulkInserts) -> None:
        self._inserts = inserts
        self._head: Head | None = None

    def append(self, connection: sa.Connection, rows: Sequence[EventRow]) -> None:
        """Append `rows`, none of which the log should have. Raises TwiceError when it does: roll back.

        Nearly every event is told once. Looking for each before it is written would cost as much as writing it.
        """
        if not rows:
            return
        if self._head is None:
            self._head = head(connection)
        seq, before = self._head
        chained: list[tuple[Any, ...]] = []
        for row in rows:
            seq += 1
            before = row_hash(before, seq, row)
            chained.append((seq, *row, before))
        try:
            added = self._inserts.run_tuples(connection, _INSERT, _KEYS, chained)
        except sa.exc.IntegrityError as error:
            raise TwiceError from error
        if added != len(chained):
            raise TwiceError
        self._head = Head(seq, before)

    def append_new(self, connection: sa.Connection, rows: Sequence[EventRow]) -> None:
        """Append those of `rows` that the log does not have, so that a repetition does no harm."""
        if not rows:
            return
        known = _known(connection, [row.id for row in rows])
        new: dict[str, EventRow] = {}
        for row in rows:
            if row.id not in known:
                new.setdefault(row.id, row)
        self.append(connection, list(new.values()))

    def forget(self) -> None:
        """A transaction was rolled back, or another process may have appended: read the head again."""
        self._head = None


def head(connection: sa.Connection) -> Head:
    """The newest row, or what stands before the first."""
    last = connection.execute(_LAST).first()
    return Head(last.seq, bytes(last.hash)) if last else Head(0, START)


def first_break(connection: sa.Connection) -> tuple[int, Break | None]:
    """(rows verified, the first break or None). The log may begin late: retention removes its oldest part."""
    verified = 0
    before: Head | None = None
    for row in _stored(connection):
        if before is not None and row.seq != before.seq + 1:
            return verified, Break(row.seq, f"{row.seq - before.seq - 1} events before it are missing")
        if before is None and row.seq == 1:
            before = Head(0, START)
        if before is not None and row_hash(before.hash, row.seq, row.event) != row.hash:
            return verified, Break(row.seq, "its content is not what was written")
        before = Head(row.seq, row.hash)
        verified += 1
    return verified, None


class _Stored(NamedTuple):
    seq: int
    event: EventRow
    hash: bytes


def _stored(connection: sa.Connection) -> Iterator[_Stored]:
    after = 0
    while True:
        page = connection.execute(
            sa.select(events).where(events.c.seq > after).order_by(events.c.seq).limit(_PAGE)
        )
        last = after
        for row in page:
            last = row.seq
            content = {name: getattr(row, name) for name in CONTENT}
            yield _Stored(row.seq, EventRow(**{**content, "payload": bytes(row.payload)}), bytes(row.hash))
        if last == after:
            return
        after = last


def _known(connection: sa.Connection, ids: Iterable[str]) -> set[str]:
    wanted = list(ids)
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        found.update(connection.execute(sa.select(events.c.id).where(events.c.id.in_(some))).scalars())
    return found
