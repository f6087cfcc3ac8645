"""One transaction for the writes of many callers: what runs together, in which order.

Writes with the same statement are run as one. Order is kept for each table: of two writes to one table,
the one that was queued first runs first. Between tables it is not kept, which nobody can see from
outside the transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from conductor.records.bulk import BulkInserts
from conductor.records.chain import Chain, TwiceError
from conductor.records.statements import InsertNew, Upsert
from conductor.signals import EventRow

Rows = Mapping[str, Any] | Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Write:
    """One statement and its bind parameters; a list runs it for each, an empty list not at all.

    Build statements once, as module constants: equal ones are found by identity.
    """

    statement: sa.Executable
    rows: Rows | None = None


class UnclearError(Exception):
    """What was run for several callers touched fewer rows than expected: which caller's is unknown."""


class Transaction:
    """One caller's writes, all or nothing. If `conditional`, the rest needs the first to touch a row."""

    __slots__ = ("conditional", "events", "fenced", "writes")

    def __init__(
        self,
        writes: tuple[Write, ...],
        conditional: bool,
        fenced: bool = True,
        events: Sequence[EventRow] = (),
    ) -> None:
        self.writes = writes
        self.events = events
        """What the log has to say of it: appended if and only if it is done."""
        self.conditional = conditional
        self.fenced = fenced
        """Only the primary may do it."""


@dataclass(slots=True)
class _Group:
    statement: Any
    keys: tuple[str, ...]
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    slots: list[tuple[int, int]] = field(default_factory=list)
    """Which transaction of the batch gave how many of the rows."""


def run_together(
    connection: sa.Connection, batch: Sequence[Transaction], inserts: BulkInserts, chain: Chain
) -> list[int]:
    """Run all of `batch`, inside an open transaction; return the row count of each one's first write.

    Raises UnclearError, or the database's error, when they must be run one by one after a rollback.
    """
    counts = [0] * len(batch)
    for section in _sections(batch):
        firsts = ((slot, batch[slot].writes[0]) for slot in section if batch[slot].writes)
        for group in _groups(firsts, counted=True):
            _count(connection, group, inserts, counts)
        followers = (
            (slot, write)
            for slot in section
            if counts[slot] or not batch[slot].conditional
            for write in batch[slot].writes[1:]
        )
        for group in _groups(followers, counted=False):
            _run(connection, group, inserts)
    done = (one for slot, one in enumerate(batch) if counts[slot] or not one.conditional)
    try:
        chain.append(connection, [row for one in done for row in one.events])
    except TwiceError as error:
        raise UnclearError from error
    return counts


def run_alone(connection: sa.Connection, transaction: Transaction, chain: Chain) -> int:
    """Run one transaction as it stands; return the row count of its first write."""
    count = 0
    for number, write in enumerate(transaction.writes):
        touched = 0 if _is_empty(write) else connection.execute(write.statement, write.rows).rowcount
        if number == 0:
            count = max(touched, 0)
            if transaction.conditional and not count:
                return count
    chain.append_new(connection, transaction.events)
    return count


def _sections(batch: Sequence[Transaction]) -> Iterator[list[int]]:
    """Cut where a first write must not run before the following writes of an earlier transaction."""
    section: list[int] = []
    pending: set[Any] = set()
    for slot, transaction in enumerate(batch):
        if not transaction.writes:
            continue
        first = _table(transaction.writes[0])
        if pending and (first is None or first in pending or None in pending):
            yield section
            section, pending = [], set()
        section.append(slot)
        pending.update(_table(write) for write in transaction.writes[1:])
    if section:
        yield section


def _groups(writes: Iterable[tuple[int, Write]], *, counted: bool) -> list[_Group]:
    groups: list[_Group] = []
    latest: dict[Any, _Group] = {}
    for slot, write in writes:
        if _is_empty(write):
            continue
        rows: Sequence[Mapping[str, Any]]
        rows = (write.rows,) if isinstance(write.rows, Mapping) else write.rows or ()
        table = _table(write)
        keys = tuple(rows[0]) if rows else ()
        group = latest.get(table) if table is not None else None
        if (
            group is None
            or not rows
            or group.statement is not write.statement
            or group.keys != keys
            or (counted and not isinstance(write.statement, sa.Insert))
        ):
            group = _Group(write.statement, keys)
            groups.append(group)
            if table is None:
                latest.clear()  # it may touch anything, so nothing moves across it
            else:
                latest[table] = group
        group.rows.extend(rows)
        group.slots.append((slot, len(rows)))
    return groups


def _is_empty(write: Write) -> bool:
    return write.rows is not None and not isinstance(write.rows, Mapping) and not write.rows


def _table(write: Write) -> Any:
    return getattr(write.statement, "table", None)


def _count(connection: sa.Connection, group: _Group, inserts: BulkInserts, counts: list[int]) -> None:
    touched = _run(connection, group, inserts)
    if len(group.slots) == 1:
        counts[group.slots[0][0]] = max(touched, 0)
        return
    # Several callers share the statement only if it is an insert: each row is touched, or refused.
    if isinstance(group.statement, InsertNew) and touched != len(group.rows):
        raise UnclearError
    for slot, rows in group.slots:
        counts[slot] = rows


def _run(connection: sa.Connection, group: _Group, inserts: BulkInserts) -> int:
    if not group.rows:
        return connection.execute(group.statement).rowcount
    if isinstance(group.statement, Upsert | InsertNew):
        return inserts.run(connection, group.statement, group.keys, group.rows)
    return connection.execute(group.statement, group.rows if len(group.rows) > 1 else group.rows[0]).rowcount
