"""Documents by ID: for tables whose rows are looked up, listed and replaced whole."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.store import Records, Write, insert_new, upsert
from conductor.signals import EventRow

Json = dict[str, Any]


class Documents:
    """The documents of one table, or of one part of it: `fixed` are key columns with one value.

    `Documents(records, tables.users)`, `Documents(records, tables.definitions, kind="events")`. IDs are the
    values of the last key column. Documents are encoded as JSON and come back as dicts of the caller's own.
    """

    def __init__(self, records: Records, table: sa.Table, **fixed: str) -> None:
        self._records = records
        self._fixed = fixed
        key = [column for column in table.primary_key if column.name not in fixed]
        if len(key) != 1:
            raise ValueError(f"{table.name} needs values for all but one of its key columns")
        self._key = key[0]
        self._doc = table.c.doc
        part = [table.c[name] == value for name, value in fixed.items()]
        self._upsert = upsert(table)
        self._insert = insert_new(table)
        self._delete = sa.delete(table).where(*part, self._key == sa.bindparam("wanted"))
        self._one = sa.select(self._doc).where(*part, self._key == sa.bindparam("wanted"))
        self._all = sa.select(self._doc).where(*part)
        self._columns = table.c

    async def put(
        self, id: str, doc: Mapping[str, Any], *, events: Sequence[EventRow] = (), **columns: Any
    ) -> None:
        """Store `doc`, replacing an older one, and `events` in the same transaction.

        `columns`: the table's other columns, all of them.
        """
        await self._records.write(self.put_write(id, doc, **columns), events=events)

    async def add(self, id: str, doc: Mapping[str, Any], **columns: Any) -> bool:
        """Store `doc` unless there is one with this ID; return whether there was none."""
        return await self._records.write(self.add_write(id, doc, **columns)) > 0

    async def get(self, id: str) -> Json | None:
        encoded = await self._records.read(
            lambda connection: connection.execute(self._one, {"wanted": id}).scalar()
        )
        return None if encoded is None else msgspec.json.decode(encoded, type=Json)

    async def all(self, order_by: str | None = None) -> list[Json]:
        """Every document, in the order of a column; by default of the ID."""
        query = self._all.order_by(self._key if order_by is None else self._columns[order_by], self._key)
        rows = await self._records.read(
            lambda connection: connection.execute(query).scalars().all(), timeout=60.0
        )
        return [msgspec.json.decode(row, type=Json) for row in rows]

    async def delete(self, id: str) -> bool:
        """Return whether there was one."""
        return await self._records.write(self.delete_write(id)) > 0

    def put_write(self, id: str, doc: Mapping[str, Any], **columns: Any) -> Write:
        """`put` for somebody else's transaction."""
        return Write(self._upsert, self._row(id, doc, columns))

    def add_write(self, id: str, doc: Mapping[str, Any], **columns: Any) -> Write:
        """`add` for somebody else's transaction; as its first write it tells whether the document is new."""
        return Write(self._insert, self._row(id, doc, columns))

    def delete_write(self, id: str) -> Write:
        return Write(self._delete, {"wanted": id})

    def _row(self, id: str, doc: Mapping[str, Any], columns: Mapping[str, Any]) -> Json:
        return {**self._fixed, self._key.name: id, **columns, "doc": msgspec.json.encode(doc)}
