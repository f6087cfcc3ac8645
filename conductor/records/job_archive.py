"""Finished jobs: stored once, found by words, read back as they were.

A record is kept in two parts, so that lists never touch the heavy properties. Both are encoded JSON, and
most readers pass them on without decoding.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from conductor.records.byte_cache import ByteCache
from conductor.records.indexed import IndexedTable
from conductor.records.search.finder import SearchPage
from conductor.records.search.index import JOBS, Index
from conductor.records.search.restriction import Restriction
from conductor.records.search.tree import EVERYTHING, Tree
from conductor.records.store import Records, Write
from conductor.records.tables import jobs
from conductor.signals import EventRow

Json = dict[str, Any]

HEAVY = frozenset(
    (
        "actions",
        "activity",
        "html",
        "limits",
        "procs",
        "conns",
        "table",
        "timelines",
        "input",
        "data",
        "files",
    )
)
"""Properties that lists leave out unless asked (contract search.md §1)."""

__all__ = ["HEAVY", "JobArchive", "Restriction", "SearchPage"]

_CACHE_BYTES = 16 * 1024**2
_WHOLE = sa.select(jobs.c.summary, jobs.c.heavy).where(jobs.c.id == sa.bindparam("job"))


class _Revision(NamedTuple):
    """A row that may take the place of the one it was made from, and of no other."""

    made_from: bytes
    row: Json
    record: Json

    def of(self, old: bytes) -> tuple[Json, Json] | None:
        return (self.row, self.record) if old == self.made_from else None


class JobArchive:
    """All changes of finished jobs go through one of these, which knows what it has cached."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._table = IndexedTable(records, JOBS, jobs, "summary")
        self._cache = ByteCache(_CACHE_BYTES)
        self._revising = asyncio.Lock()

    @property
    def index(self) -> Index:
        return self._table.index

    async def add(self, job: Mapping[str, Any], *also: Write, events: Sequence[EventRow] = ()) -> bool:
        """Store a finished job with its search words, `also` and `events`, in one transaction.

        Return False, with nothing changed at all, if a job with this ID is stored already. Raises
        Unavailable: nothing is promised, and it may be repeated.
        """
        return await self._table.add(self._row(job), job, *also, events=events)

    async def add_many(self, jobs: Sequence[Mapping[str, Any]]) -> int:
        """Store those that are not stored yet, in one transaction; returns how many. Raises Unavailable."""
        return await self._table.add_many([self._row(job) for job in jobs], jobs)

    def forget(self) -> None:
        """Somebody else may have changed the archive: what is remembered of it counts no more."""
        self._cache.forget_all()
        self._table.finder.forget()

    async def get(self, job_id: str) -> Json | None:
        encoded = await self.get_json(job_id)
        return None if encoded is None else msgspec.json.decode(encoded, type=Json)

    async def get_json(self, job_id: str) -> bytes | None:
        """The whole record, encoded; from memory if it was read lately."""
        encoded = self._cache.get(job_id)
        if encoded is not None:
            return encoded
        filling = self._cache.filling()
        row = await self._records.read(
            lambda connection: connection.execute(_WHOLE, {"job": job_id}).one_or_none()
        )
        if row is None:
            return None
        encoded = _merged(row.summary, row.heavy)
        self._cache.put(job_id, encoded, filling)
        return encoded

    async def get_many(self, ids: Sequence[str], *, verbose: bool) -> dict[str, Json]:
        """The records that exist, by ID; without the heavy properties unless `verbose`."""
        found: dict[str, Json] = {}
        for row in await self._table.rows(ids, *(("summary", "heavy") if verbose else ("summary",))):
            encoded = _merged(row.summary, row.heavy) if verbose else row.summary
            found[row.id] = msgspec.json.decode(encoded, type=Json)
        return found

    async def exists(self, ids: Sequence[str]) -> set[str]:
        return {row.id for row in await self._table.rows(ids)}

    async def replace(self, job: Mapping[str, Any], events: Sequence[EventRow] = ()) -> bool:
        """Store `job` and `events` in place of the record with its ID; False, and nothing, if there is none."""
        row = self._row(job)
        async with self._revising:
            with self._changing(job["id"]):
                return await self._table.change(job["id"], lambda old: (row, job), events=lambda: events)

    async def revise(
        self, job_id: str, change: Callable[[Json], Json], events: Sequence[EventRow] = ()
    ) -> Json | None:
        """Store what `change` makes of the record as it is now, with `events`; returns it, None if there is none.

        `change` may be called again, with a newer record, if somebody else changed it meanwhile: of two
        that revise one record neither loses what the other did. What it raises comes through.
        """
        async with self._revising:
            while True:
                row = await self._records.read(
                    lambda connection: connection.execute(_WHOLE, {"job": job_id}).one_or_none()
                )
                if row is None:
                    return None
                changed = change(msgspec.json.decode(_merged(row.summary, row.heavy), type=Json))
                revision = _Revision(row.summary, self._row(changed), changed)
                with self._changing(job_id):
                    if await self._table.change(job_id, revision.of, events=lambda: events):
                        return changed

    async def delete(self, job_id: str, events: Sequence[EventRow] = ()) -> bool:
        """False if there is none."""
        with self._changing(job_id):
            return await self._table.delete(job_id, events=events)

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
        verbose: bool = False,
        select: Sequence[str] | None = None,
    ) -> SearchPage:
        """One page of the jobs that match `query` (contract search.md §1, §3), and their total.

        A `limit` below 1 is 1, an `offset` below 0 is 0. `verbose`: with the heavy properties. `select`:
        only these properties. Raises SearchError (code `db`) for a query or sorter that is wrong.
        """
        whole = bool(HEAVY.intersection(select)) if select else verbose
        documents, total = await self._table.find(
            query,
            ("summary", "heavy") if whole else ("summary",),
            offset=offset,
            limit=limit,
            sort_by=sort_by,
            sort_dir=sort_dir,
            restriction=restriction,
            after=after,
            within=within,
        )
        encoded = [_merged(*document) for document in documents] if whole else [one for (one,) in documents]
        if select:
            wanted = frozenset(select)
            return SearchPage([_selected(record, wanted) for record in encoded], total)
        return SearchPage([msgspec.Raw(record) for record in encoded], total)

    @contextmanager
    def _changing(self, job_id: str) -> Iterator[None]:
        try:
            yield
        finally:
            self._cache.forget(job_id)

    def _row(self, job: Mapping[str, Any]) -> Json:
        return {
            "id": job["id"],
            **self._table.columns(job),
            "summary": msgspec.json.encode({key: value for key, value in job.items() if key not in HEAVY}),
            "heavy": msgspec.json.encode({key: job[key] for key in HEAVY if key in job}),
        }


def _merged(summary: bytes, heavy: bytes) -> bytes:
    """One JSON object out of the two parts; a summary has at least its ID."""
    return summary if heavy == b"{}" else b"%b,%b" % (summary[:-1], heavy[1:])


def _selected(record: bytes, wanted: frozenset[str]) -> Json:
    decoded: Json = msgspec.json.decode(record)
    return {key: value for key, value in decoded.items() if key in wanted}
