"""Many rows in one statement.

The drivers run a list of rows as one step each and let the interpreter's lock go at every step. Beside a
busy event loop each step then waits for its turn (up to the switch interval, five milliseconds), so that
200 rows take most of a second. One statement with many rows is one step.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import sqlalchemy as sa

from conductor.records.statements import InsertNew, Upsert

_LONGEST = 128
"""Rows of one statement. Lengths are powers of two, so that few different texts are prepared."""

_ANY_LENGTH = 24
_KEPT = 256
"""Compiled statements kept; statements are constants, so that this is never reached but by mistake."""

_VALUES = re.compile(r" VALUES (\([^()]*\))")


class BulkInserts:
    """Runs `upsert` and `insert_new` statements for many rows at a time. Belongs to one thread."""

    def __init__(self, max_parameters: int) -> None:
        self._max_parameters = max_parameters
        self._compiled: dict[tuple[sa.Insert, tuple[str, ...]], _Insert] = {}

    def run(
        self,
        connection: sa.Connection,
        statement: Upsert | InsertNew,
        keys: tuple[str, ...],
        rows: Sequence[Mapping[str, Any]],
    ) -> int:
        """Insert `rows`, each with exactly `keys`; return how many were touched.

        Of rows with the same primary key an upsert keeps the last.
        """
        insert = self._insert(connection, statement, keys)
        if isinstance(statement, Upsert) and len(rows) > 1:
            given = len(rows)
            rows = _last_of_each(statement, rows)  # PostgreSQL refuses to touch one row twice
            return insert.run(connection, rows, self._max_parameters) and given
        return insert.run(connection, rows, self._max_parameters)

    def run_tuples(
        self,
        connection: sa.Connection,
        statement: InsertNew,
        keys: tuple[str, ...],
        rows: Sequence[tuple[Any, ...]],
    ) -> int:
        """Insert `rows`, each the values of `keys`, which are the table's columns in its order."""
        return self._insert(connection, statement, keys).run_tuples(connection, rows, self._max_parameters)

    def _insert(
        self, connection: sa.Connection, statement: Upsert | InsertNew, keys: tuple[str, ...]
    ) -> "_Insert":
        insert = self._compiled.get((statement, keys))
        if insert is None:
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            insert = _Insert(statement, keys, connection.dialect)
            self._compiled[statement, keys] = insert
        return insert


class _Insert:
    """The text of one insert for each number of rows."""

    def __init__(self, statement: sa.Insert, keys: tuple[str, ...], dialect: sa.Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(keys))
        text = str(compiled)
        match = _VALUES.search(text)
        if match is None or compiled.positiontup is None:
            raise ValueError(f"not an insert of plain values: {text}")
        self._names: list[str] = compiled.positiontup
        self._values = match[1]
        self._head, self._tail = text[: match.start(1)], text[match.end(1) :]
        self._texts: dict[int, str] = {}

    def run(self, connection: sa.Connection, rows: Sequence[Mapping[str, Any]], max_parameters: int) -> int:
        names = self._names
        touched = start = 0
        longest = min(_LONGEST, max_parameters // len(names))
        while start < len(rows):
            length = min(1 << (len(rows) - start).bit_length() - 1, longest)
            parameters = tuple(row[name] for row in rows[start : start + length] for name in names)
            touched += connection.exec_driver_sql(self._text(length), parameters).rowcount
            start += length
        return touched

    def run_tuples(
        self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]], max_parameters: int
    ) -> int:
        touched = start = 0
        longest = min(_LONGEST, max_parameters // len(self._names))
        while start < len(rows):
            length = _length_of_tuples(len(rows) - start, longest)
            parameters = tuple(chain.from_iterable(rows[start : start + length]))
            touched += connection.exec_driver_sql(self._text(length), parameters).rowcount
            start += length
        return touched

    def _text(self, length: int) -> str:
        text = self._texts.get(length)
        if text is None:
            text = self._texts[length] = self._head + ", ".join([self._values] * length) + self._tail
        return text


def _length_of_tuples(rows: int, longest: int) -> int:
    """Of the next statement: few rows go in one, whatever their number; many in lengths that come again."""
    if rows <= _ANY_LENGTH:
        return min(rows, longest)
    return min(1 << rows.bit_length() - 1, longest)


def _last_of_each(statement: sa.Insert, rows: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    key = [column.name for column in statement.table.primary_key]
    latest = {tuple(row[name] for name in key): row for row in rows}
    return rows if len(latest) == len(rows) else list(latest.values())
