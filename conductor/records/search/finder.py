"""Runs queries on one table and remembers how many records matched."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from conductor.records.search.index import Index
from conductor.records.search.plan import RARE, Lead, Plan
from conductor.records.search.tree import And, Nothing, OneRecord, SearchError, Tree
from conductor.records.store import Records

_TOTALS = 256
"""Queries whose totals are remembered."""
_JOINED_ROWS = 1000
"""Up to this many documents come out of SQLite as one value."""
_TIMEOUT = 30.0

Document = tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class SearchPage:
    rows: list[Any]
    """Records in order: encoded (msgspec.Raw), or dicts where properties were selected."""
    total: int
    """How many match in all."""


class Finder:
    """Finds documents of one table. Totals are exact: they are remembered only while nothing changes."""

    def __init__(self, records: Records, index: Index, table: sa.Table) -> None:
        self.index = index
        self._records = records
        self._table = table
        self._key = next(iter(table.primary_key))
        self._plan = Plan(index, table)
        self._totals: OrderedDict[Tree, int] = OrderedDict()
        self._changing = 0
        self._changes = 0

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Wrap each change of the table in this: totals counted meanwhile are not remembered."""
        self._changing += 1
        try:
            yield
        finally:
            self._changing -= 1
            self._changes += 1
            self._totals.clear()

    def forget(self) -> None:
        """Somebody else may have changed the table."""
        with self.changing():
            pass

    async def find(
        self, tree: Tree, *, offset: int, limit: int, sort_by: str, descending: bool, columns: Sequence[str]
    ) -> tuple[list[Document], int]:
        """One page of documents (the given `columns` of each) and how many match in all.

        Raises SearchError for a sorter that the index does not have, and for `#id:` of no record.
        """
        sort = self._sorter(sort_by)
        if isinstance(tree, Nothing):
            return [], 0
        known = self._totals.get(tree)
        changes, quiet = self._changes, not self._changing

        def query(connection: sa.Connection) -> tuple[list[Document], int]:
            lead = self._lead(connection, tree, sort)
            total = known
            if total is None:
                total = int(connection.execute(self._plan.count(tree, lead)).scalar_one())
            if total <= offset:
                return [], total
            ids = self._plan.page(tree, lead, sort, descending, offset, limit)
            return self._documents(connection, ids, sort, descending, columns, limit), total

        documents, total = await self._records.read(query, timeout=_TIMEOUT)
        if quiet and changes == self._changes and not self._changing:
            self._totals[tree] = total
            if len(self._totals) > _TOTALS:
                self._totals.popitem(last=False)
        if not total and (wanted := _one_record(tree)):
            raise SearchError(f"Record not found: {wanted}")
        return documents, total

    def _sorter(self, sort_by: str) -> str | None:
        if sort_by == "_id":
            return None
        column = self.index.sorters.get(sort_by)
        if column is None:
            raise SearchError(f"Cannot find sorter: {sort_by}")
        return column

    def _lead(self, connection: sa.Connection, tree: Tree, sort: str | None) -> Lead:
        leaders = self._plan.leaders(tree)
        if not leaders or (sort is None and leaders == [tree]):
            return Lead(tuple(leaders), rare=False)  # nothing to choose from
        counts = connection.execute(self._plan.estimate(leaders)).one()
        ranked = sorted(zip(counts, range(len(leaders)), strict=True))
        return Lead(tuple(leaders[place] for _, place in ranked), rare=ranked[0][0] < RARE)

    def _documents(
        self,
        connection: sa.Connection,
        ids: sa.Select[Any],
        sort: str | None,
        descending: bool,
        columns: Sequence[str],
        limit: int,
    ) -> list[Document]:
        order = [self._key] if sort is None else [self._table.c[sort], self._key]
        documents = (
            sa.select(*(self._table.c[column] for column in columns))
            .where(self._key.in_(ids))
            .order_by(*(column.desc() if descending else column for column in order))
        )
        if self._records.dialect != "sqlite" or len(columns) != 1 or limit > _JOINED_ROWS:
            return [tuple(row) for row in connection.execute(documents)]
        # Each row fetched from SQLite gives the interpreter's lock away (see `records.bulk`), so that a page
        # is fetched as one value: encoded JSON has no line feed in it.
        page = documents.limit(limit).subquery()
        joined = sa.cast(sa.func.group_concat(page.c[0], sa.literal_column("char(10)")), sa.LargeBinary)
        whole: bytes | None = connection.execute(sa.select(joined)).scalar_one()
        return [(document,) for document in whole.split(b"\n")] if whole else []


def _one_record(tree: Tree) -> str:
    parts = tree.parts if isinstance(tree, And) else (tree,)
    return next((part.id for part in parts if isinstance(part, OneRecord)), "")
