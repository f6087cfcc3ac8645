"""The causal event log's rows: numbered without gaps and chained by hash, in the transaction of their change.

Each row's hash is SHA-256 over the hash of the row before it and the row's own content; whoever changes,
removes or inserts a row without writing all later ones anew breaks the chain at that row. Only the writer's
thread appends, so that numbers follow the order of commits.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from conductor.records.bulk import BulkInserts
from conductor.records.statements import insert_new
from conductor.records.tables import events

EventRow = Mapping[str, Any]
"""The columns of `events` without `seq` and `hash`."""

CONTENT: Final = (
    "id", "occurred", "type", "actor_type", "actor", "resource_type", "resource", "correlation", "causation",
    "category", "groups", "payload",
)  # fmt: skip
"""The columns that a hash covers, in this order, as a msgpack array after the number and the hash before."""

START: Final = bytes(32)
"""The hash before the first row."""

_INSERT = insert_new(events)
_KEYS: Final = ("seq", *CONTENT, "hash")
_LAST = sa.select(events.c.seq, events.c.hash).order_by(events.c.seq.desc()).limit(1)
_PAGE: Final = 2000

_pack = msgspec.msgpack.Encoder().encode


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
    return hashlib.sha256(_pack((before, seq, *(row[name] for name in CONTENT)))).digest()


class Chain:
    """Appends to the log. Belongs to the writer's thread; every call is inside an open transaction."""

    def __init__(self, inserts: BulkInserts) -> None:
        self._inserts = inserts
        self._head: Head | None = None

    def append(self, connection: sa.Connection, rows: Sequence[EventRow]) -> None:
        """Append `rows`; those whose ID is in the log already are left out, so that a repetition does no harm."""
        if not rows:
            return
        if self._head is None:
            self._head = head(connection)
        seq, before = self._head
        chained: list[dict[str, Any]] = []
        known = _known(connection, [row["id"] for row in rows])
        for row in rows:
            if row["id"] in known:
                continue
            known.add(row["id"])
            seq += 1
            before = row_hash(before, seq, row)
            chained.append({"seq": seq, **{name: row[name] for name in CONTENT}, "hash": before})
        if chained:
            self._inserts.run(connection, _INSERT, _KEYS, chained)
            self._head = Head(seq, before)

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
    for row in _rows(connection):
        if before is not None and row["seq"] != before.seq + 1:
            return verified, Break(row["seq"], f"{row['seq'] - before.seq - 1} events before it are missing")
        if before is None and row["seq"] == 1:
            before = Head(0, START)
        if before is not None and row_hash(before.hash, row["seq"], row) != bytes(row["hash"]):
            return verified, Break(row["seq"], "its content is not what was written")
        before = Head(row["seq"], bytes(row["hash"]))
        verified += 1
    return verified, None


def _rows(connection: sa.Connection) -> Iterator[Mapping[str, Any]]:
    after = 0
    while True:
        page = connection.execute(
            sa.select(events).where(events.c.seq > after).order_by(events.c.seq).limit(_PAGE)
        ).mappings()
        last = after
        for row in page:
            last = row["seq"]
            yield {**row, "payload": bytes(row["payload"])}
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
