"""The searchable collections by name, as sweeps, exports and imports see them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from conductor.errors import BadParameter
from conductor.records.job_archive import JobArchive
from conductor.records.searchable import SearchableDocuments

Json = dict[str, Any]
Delete = Callable[[str], Awaitable[object]]

_PAGE = 100


class Collections:
    """jobs, alerts, snapshots, servers, activity and tickets."""

    def __init__(self, jobs: JobArchive, documents: Mapping[str, SearchableDocuments]) -> None:
        self.jobs = jobs
        self.documents = documents
        self._deletions: dict[str, Delete] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return ("jobs", *self.documents)

    def deletes(self, name: str, delete: Delete) -> None:
        """How a record of this collection is deleted with everything that is its own."""
        self._deletions[name] = delete

    def forget(self) -> None:
        """Others may have changed them: what is remembered counts no more."""
        self.jobs.forget()
        for documents in self.documents.values():
            documents.forget()

    def check(self, name: str) -> None:
        """Raises BadParameter for a name that no collection has."""
        if name not in self.names:
            raise BadParameter(f"Unknown index: {name[:40]}")

    async def delete(self, name: str, id: str) -> None:
        """Delete one record and what is its own; none is fine."""
        if name in self._deletions:
            await self._deletions[name](id)
        elif name == "jobs":
            await self.jobs.delete(id)
        else:
            await self.documents[name].delete(id)

    async def get_many(self, name: str, ids: Sequence[str]) -> dict[str, Json]:
        """The records that exist, whole, by ID."""
        if name == "jobs":
            return await self.jobs.get_many(ids, verbose=True)
        return await self.documents[name].get_many(ids)

    async def forget_record(self, name: str, id: str) -> None:
        """Delete one record and nothing that belongs to it; none is fine."""
        await (self.jobs.delete(id) if name == "jobs" else self.documents[name].delete(id))

    async def put_many(self, name: str, records: Mapping[str, Json]) -> None:
        """As `put`, of several: those that are new in one transaction."""
        known = (await self.get_many(name, list(records))).keys() & records.keys()
        fresh = {id: {**record, "id": id} for id, record in records.items() if id not in known}
        if name == "jobs":
            await self.jobs.add_many(list(fresh.values()))
        else:
            await self.documents[name].add_many(fresh)
        for id in known:
            await self.put(name, id, records[id])

    async def put(self, name: str, id: str, record: Json) -> None:
        """Store a record over any with the same ID."""
        if name != "jobs":
            await self.documents[name].put(id, record)
            return
        job = {**record, "id": id}
        while not (await self.jobs.replace(job) or await self.jobs.add(job)):
            pass  # somebody deleted and added it between the two

    async def count(self, name: str, query: str = "*") -> int:
        """How many records match. Raises SearchError."""
        store = self.jobs if name == "jobs" else self.documents[name]
        return (await store.search(query)).total

    async def pages(
        self, name: str, query: str = "*", *, newest_first: bool = False, columns: list[str] | None = None
    ) -> AsyncIterator[list[Json]]:
        """Every matching record, a hundred at a time, in the order of IDs; `columns` alone where given.

        Records that are deleted or come in meanwhile neither shift nor repeat the others.
        """
        after = ""
        while True:
            rows = await self._rows(
                name, query, after=after, sort_dir=-1 if newest_first else 1, columns=columns
            )
            if not rows:
                return
            after = str(rows[-1]["id"])
            yield rows
            if len(rows) < _PAGE:
                return

    async def sorted_pages(
        self, name: str, query: str, *, offset: int, sort_by: str, sort_dir: int, columns: list[str]
    ) -> AsyncIterator[list[Json]]:
        """As `pages`, from `offset` on, in any order that the collection has."""
        while rows := await self._rows(
            name, query, offset=offset, sort_by=sort_by, sort_dir=sort_dir, columns=columns
        ):
            yield rows
            offset += len(rows)

    async def _rows(self, name: str, query: str, *, columns: list[str] | None, **order: Any) -> list[Json]:
        if name == "jobs":
            select = None if columns is None else [*columns, "id"]
            page = await self.jobs.search(query, limit=_PAGE, verbose=columns is None, select=select, **order)
        else:
            page = await self.documents[name].search(query, limit=_PAGE, **order)
        return [row if isinstance(row, dict) else msgspec.json.decode(row) for row in page.rows]
