"""Documents that are found by words as well: activity, alerts, snapshots, servers, tickets."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.documents import Documents
from conductor.records.indexed import IndexedTable
from conductor.records.search.finder import SearchPage
from conductor.records.search.index import Index
from conductor.records.search.restriction import Restriction, restricted
from conductor.records.search.tree import EVERYTHING, Tree
from conductor.records.search.words import value_of
from conductor.records.store import Records, Write
from conductor.signals import EventRow

Json = dict[str, Any]

__all__ = ["Restriction", "SearchPage", "SearchableDocuments", "Summary"]


def _nothing(doc: Mapping[str, Any]) -> Sequence[Write]:
    return ()


def _no_events(doc: Mapping[str, Any]) -> Sequence[EventRow]:
    return ()


@dataclass(frozen=True, slots=True)
class Summary:
    """The distinct words of one field (contract search.md §5)."""

    values: dict[str, int]
    """Word to how many records have it."""
    labels: dict[str, str]
    """Word to the text that it came from, where the field keeps that."""


class SearchableDocuments:
    """`SearchableDocuments(records, TICKETS, tables.tickets)`. All changes of the table go through one of these.

    The table's columns besides `id` and `doc` follow from the document (`Index.columns`); `columns` of a call
    override them. Everything raises Unavailable: nothing is promised then.
    """

    def __init__(self, records: Records, index: Index, table: sa.Table) -> None:
        self._documents = Documents(records, table)
        self._table = IndexedTable(records, index, table, "doc")

    @property
    def index(self) -> Index:
        return self._table.index

    async def add(
        self, id: str, doc: Mapping[str, Any], *also: Write, events: Sequence[EventRow] = (), **columns: Any
    ) -> bool:
        """Store `doc` with its words unless there is one with this ID; return whether there was none.

        `also` and `events` are written in the same transaction, if it was new.
        """
        return await self._table.add(self._row(id, doc, columns), doc, *also, events=events)

    async def add_many(self, docs: Mapping[str, Mapping[str, Any]]) -> int:
        """Store those whose IDs are not known, in one transaction; returns how many."""
        rows = [self._row(id, doc, {}) for id, doc in docs.items()]
        return await self._table.add_many(rows, list(docs.values()))

    async def replace(
        self, id: str, doc: Mapping[str, Any], *also: Write, events: Sequence[EventRow] = (), **columns: Any
    ) -> bool:
        """Store `doc` in place of the one with this ID; False if there is none."""
        row = self._row(id, doc, columns)
        return await self._table.change(id, lambda old: (row, doc), *also, events=lambda: events)

    async def put(
        self, id: str, doc: Mapping[str, Any], *, events: Sequence[EventRow] = (), **columns: Any
    ) -> None:
        """Store `doc`, replacing an older one; `events` in the same transaction."""
        while not (
            await self.replace(id, doc, events=events, **columns)
            or await self.add(id, doc, events=events, **columns)
        ):
            pass  # somebody deleted and added it between the two

    async def change(
        self,
        id: str,
        change: Callable[[Json], Mapping[str, Any] | None],
        *also: Write,
        then: Callable[[Mapping[str, Any]], Sequence[Write]] = _nothing,
        events: Callable[[Mapping[str, Any]], Sequence[EventRow]] = _no_events,
        **columns: Any,
    ) -> Json | None:
        """Store what `change` makes of the document with this ID, and return it.

        `also`, and what `then` makes of the new document, are written in the same transaction, if it was
        stored.

        `change` gets a copy of its own, and is called again when somebody else was faster, so that nobody's
        change is lost. None, and nothing stored, if there is no document or `change` returned None. `events`
        makes of the changed document what the event log says of it.
        """
        made: list[Mapping[str, Any]] = []

        def changed(old: bytes) -> tuple[Json, Mapping[str, Any]] | None:
            made.clear()
            new = change(msgspec.json.decode(old, type=Json))
            if new is None:
                return None
            made.append(new)
            return self._row(id, new, columns), new

        stored = await self._table.change(
            id, changed, *also, then=lambda: then(made[-1]), events=lambda: events(made[-1])
        )
        return dict(made[-1]) if stored else None

    async def delete(self, id: str, *also: Write, events: Sequence[EventRow] = ()) -> bool:
        """False if there is none."""
        return await self._table.delete(id, *also, events=events)

    async def get(self, id: str) -> Json | None:
        return await self._documents.get(id)

    async def get_many(self, ids: Sequence[str]) -> dict[str, Json]:
        """The documents that exist, by ID."""
        rows = await self._table.rows(ids, "doc")
        return {row.id: msgspec.json.decode(row.doc, type=Json) for row in rows}

    async def all(self, order_by: str | None = None) -> list[Json]:
        """Every document, in the order of a column; by default of the ID. For tables that are small."""
        return await self._documents.all(order_by)

    def forget(self) -> None:
        """Somebody else may have changed the table: what is remembered of it counts no more."""
        self._table.finder.forget()

    async def search(
        self,
        query: str,
        *,
        offset: int = 0,
        limit: int = 1,
        sort_by: str = "_id",
        sort_dir: int = -1,
        restriction: Restriction | None = None,
        after: str = "",
        within: Tree = EVERYTHING,
    ) -> SearchPage:
        """One page, rows encoded (contract search.md §1, §3). Raises SearchError.

        `after`, `within`: as in `IndexedTable.find`.
        """
        documents, total = await self._table.find(
            query,
            ("doc",),
            offset=offset,
            limit=limit,
            sort_by=sort_by,
            sort_dir=sort_dir,
            restriction=restriction,
            after=after,
            within=within,
        )
        return SearchPage([msgspec.Raw(doc) for (doc,) in documents], total)

    async def summaries(
        self, fields: Sequence[str], restriction: Restriction | None = None
    ) -> dict[str, Summary]:
        """How often each word of these fields occurs, among the records within `restriction`.

        Raises SearchError for a field that is not counted.
        """
        return {name: await self._summary(name, restriction) for name in fields}

    async def _summary(self, name: str, restriction: Restriction | None) -> Summary:
        counted = await self._table.finder.words(name, restricted(EVERYTHING, self.index, restriction))
        values = {word: count for word, count, _ in counted}
        field = self.index.fields[name]
        if not field.labels:
            return Summary(values, {})
        examples = await self.get_many([example for _, _, example in counted])
        labels = {
            word: str(value_of(field, examples[example]))
            for word, _, example in counted
            if example in examples
        }
        return Summary(values, labels)

    def _row(self, id: str, doc: Mapping[str, Any], columns: Mapping[str, Any]) -> Json:
        return {"id": id, **self._table.columns(doc, **columns), "doc": msgspec.json.encode(doc)}
