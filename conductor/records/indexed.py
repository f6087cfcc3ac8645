"""One table of records whose words are in the table `terms`: what both kinds of searchable records share.

A record's words follow from one column of it (`witness`, encoded JSON). A change compares that column with
what it has read, so that the words that leave the index are those of the version that is replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.search.finder import Document, Finder
from conductor.records.search.index import Index
from conductor.records.search.language import parse
from conductor.records.search.restriction import Restriction, restricted
from conductor.records.search.tree import EVERYTHING, Beyond, SearchError, Tree, conjunction
from conductor.records.search.words import term_rows
from conductor.records.search.words import terms as terms_of
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import terms
from conductor.signals import EventRow
from shared.clock import now

Json = dict[str, Any]

_IDS_TOGETHER = 500
_MANY_SECONDS = 60.0
"""How long one transaction of many rows may take."""
_INSERT_TERMS = insert_new(terms)
_DELETE_TERMS = sa.delete(terms).where(*(column == sa.bindparam(f"old_{column.name}") for column in terms.c))


class IndexedTable:
    """Adds, changes, deletes, reads and finds the rows of one table. All its changes go through one of these."""

    def __init__(self, records: Records, index: Index, table: sa.Table, witness: str) -> None:
        self.index = index
        self.finder = Finder(records, index, table)
        self._records = records
        self._table = table
        self._key = table.c.id
        self._witness = table.c[witness]
        same = (self._key == sa.bindparam("wanted"), self._witness == sa.bindparam("old"))
        changed = [column.name for column in table.columns if column is not self._key]
        self._insert = insert_new(table)
        self._replace = sa.update(table).where(*same).values({name: sa.bindparam(name) for name in changed})
        self._delete = sa.delete(table).where(*same)
        self._one = sa.select(self._witness).where(self._key == sa.bindparam("wanted"))

    def columns(self, record: Mapping[str, Any], **given: Any) -> Json:
        """The row's columns besides its document: `given`, the others from the record."""
        return {name: column.value(record) for name, column in self.index.columns.items()} | given

    async def add(
        self, row: Json, record: Mapping[str, Any], *also: Write, events: Sequence[EventRow] = ()
    ) -> bool:
        """Store a row with its words, `also` and `events`, in one transaction; False, and nothing, if its ID is
        known."""
        words = Write(_INSERT_TERMS, term_rows(self.index, row["id"], record))
        with self.finder.changing():
            return await self._records.write_if(Write(self._insert, row), words, *also, events=events)

    async def add_many(self, rows: Sequence[Json], records: Sequence[Mapping[str, Any]]) -> int:
        """Store those whose IDs are not known, with their words, in one transaction; returns how many.

        For imports: of one ID that somebody else adds at the same moment, words of both would be found.
        """
        known = {row.id for row in await self.rows([row["id"] for row in rows])}
        fresh = {
            row["id"]: (row, record)
            for row, record in zip(rows, records, strict=True)
            if row["id"] not in known
        }
        if not fresh:
            return 0
        words = [word for id, (_, record) in fresh.items() for word in term_rows(self.index, id, record)]
        with self.finder.changing():
            await self._records.write(
                Write(self._insert, [row for row, _ in fresh.values()]),
                Write(_INSERT_TERMS, words),
                timeout=_MANY_SECONDS,
            )
        return len(fresh)

    async def change(
        self,
        id: str,
        change: Callable[[bytes], tuple[Json, Mapping[str, Any]] | None],
        *also: Write,
        then: Callable[[], Sequence[Write]] = tuple,
        events: Callable[[], Sequence[EventRow]] = tuple,
    ) -> bool:
        """Replace a row by what `change` makes of its witness: row and record, or None to leave it.

        `change` is called again when somebody else changed the row meanwhile, and after each of its calls
        `then`, for what else goes into the transaction, and `events`, for what the event log has to say of it.
        False if there is no such row or `change` did not want one.
        """

        def writes(old: bytes) -> list[Write] | None:
            made = change(old)
            if made is None:
                return None
            row, record = made
            new = terms_of(self.index, record)
            gone = terms_of(self.index, msgspec.json.decode(old)) - new
            return [
                Write(self._replace, {**row, "wanted": id, "old": old}),
                *self._forget_words(id, gone),
                Write(_INSERT_TERMS, term_rows(self.index, id, record)),
                *also,
                *then(),
            ]

        return await self._exchange(id, writes, events)

    async def delete(self, id: str, *also: Write, events: Sequence[EventRow] = ()) -> bool:
        """False if there is none."""

        def writes(old: bytes) -> list[Write]:
            words = terms_of(self.index, msgspec.json.decode(old))
            return [Write(self._delete, {"wanted": id, "old": old}), *self._forget_words(id, words), *also]

        return await self._exchange(id, writes, lambda: events)

    async def rows(self, ids: Sequence[str], *columns: str) -> list[sa.Row[Any]]:
        """The rows that exist, ID first, in no order."""
        wanted = list(dict.fromkeys(ids))
        query = sa.select(self._key, *(self._table.c[column] for column in columns)).where(
            self._key.in_(sa.bindparam("ids", expanding=True))
        )
        rows: list[sa.Row[Any]] = []
        for start in range(0, len(wanted), _IDS_TOGETHER):
            some = {"ids": wanted[start : start + _IDS_TOGETHER]}
            rows += await self._records.read(
                lambda connection, some=some: connection.execute(query, some).all()  # type: ignore[misc]
            )
        return rows

    async def find(
        self,
        query: str,
        columns: Sequence[str],
        *,
        offset: int,
        limit: int,
        sort_by: str,
        sort_dir: int,
        restriction: Restriction | None,
        after: str = "",
        within: Tree = EVERYTHING,
    ) -> tuple[list[Document], int]:
        """One page of `columns`, and how many match. A `limit` below 1 is 1, an `offset` below 0 is 0.

        `after`: the ID of the last record that the reader has, in the order of IDs: the page goes on behind
        it, wherever new records have come in, and the total is of what is left. `within`: a condition of
        the house's own beside the query.
        """
        tree = restricted(parse(query, self.index, now()), self.index, restriction)
        if within != EVERYTHING:
            tree = conjunction([tree, within])
        if after:
            if sort_by != "_id":
                raise SearchError("A search can go on after a record in the order of _id alone")
            tree = conjunction([tree, Beyond(after, sort_dir < 0)])
        return await self.finder.find(
            tree,
            offset=max(offset, 0),
            limit=max(limit, 1),
            sort_by=sort_by,
            descending=sort_dir < 0,
            columns=columns,
        )

    async def _exchange(
        self,
        id: str,
        writes: Callable[[bytes], list[Write] | None],
        events: Callable[[], Sequence[EventRow]],
    ) -> bool:
        while True:
            old = await self._records.read(
                lambda connection: connection.execute(self._one, {"wanted": id}).scalar()
            )
            if old is None:
                return False
            wanted = writes(old)
            if wanted is None:
                return False
            with self.finder.changing():
                if await self._records.write_if(*wanted, events=events()):
                    return True

    def _forget_words(self, id: str, words: set[tuple[str, str]]) -> list[Write]:
        rows = [
            {"old_index_name": self.index.name, "old_field": field, "old_word": word, "old_record": id}
            for field, word in sorted(words)
        ]
        return [Write(_DELETE_TERMS, rows)] if rows else []
