"""Documents that are found by words as well, and never change: the activity log."""

from collections.abc import Mapping
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.documents import Documents
from conductor.records.search.finder import Finder, SearchPage
from conductor.records.search.index import Index
from conductor.records.search.language import parse
from conductor.records.search.restriction import Restriction, restricted
from conductor.records.search.words import term_rows
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import terms
from shared.clock import now

_INSERT_TERMS = insert_new(terms)


class SearchableDocuments:
    """`SearchableDocuments(records, ACTIVITY, tables.activity)`. All additions go through one of these."""

    def __init__(self, records: Records, index: Index, table: sa.Table) -> None:
        self._records = records
        self._documents = Documents(records, table)
        self._finder = Finder(records, index, table)

    async def add(self, id: str, doc: Mapping[str, Any], **columns: Any) -> bool:
        """Store `doc` with its words unless there is one with this ID; return whether there was none."""
        words = Write(_INSERT_TERMS, term_rows(self._finder.index, id, doc))
        with self._finder.changing():
            return await self._records.write_if(self._documents.add_write(id, doc, **columns), words)

    async def get(self, id: str) -> dict[str, Any] | None:
        return await self._documents.get(id)

    async def search(
        self,
        query: str,
        *,
        offset: int = 0,
        limit: int = 1,
        sort_by: str = "_id",
        sort_dir: int = -1,
        restriction: Restriction | None = None,
    ) -> SearchPage:
        """One page, rows encoded (contract search.md §1, §3). Raises SearchError."""
        tree = restricted(parse(query, self._finder.index, now()), self._finder.index, restriction)
        documents, total = await self._finder.find(
            tree,
            offset=max(offset, 0),
            limit=max(limit, 1),
            sort_by=sort_by,
            descending=sort_dir < 0,
            columns=("doc",),
        )
        return SearchPage([msgspec.Raw(doc) for (doc,) in documents], total)
