"""Finished jobs: stored once, found by words, read back as they were.

A record is kept in two parts, so that lists never touch the heavy properties. Both are encoded JSON, and
most readers pass them on without decoding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.byte_cache import ByteCache
from conductor.records.search.finder import Finder, SearchPage
from conductor.records.search.index import JOBS
from conductor.records.search.language import parse
from conductor.records.search.restriction import Restriction, restricted
from conductor.records.search.words import term_rows
from conductor.records.search.words import terms as terms_of
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import jobs, terms
from shared.clock import now

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
_IDS_TOGETHER = 500

_INSERT = insert_new(jobs)
_INSERT_TERMS = insert_new(terms)
_REPLACE = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("job"), jobs.c.summary == sa.bindparam("old"))
    .values({column: sa.bindparam(column) for column in jobs.c.keys() if column != "id"})  # noqa: SIM118
)
_REVISE = (
    sa.update(jobs)
    .where(
        jobs.c.id == sa.bindparam("job"),
        jobs.c.summary == sa.bindparam("old"),
        jobs.c.heavy == sa.bindparam("old_heavy"),
    )
    .values({column: sa.bindparam(column) for column in jobs.c.keys() if column != "id"})  # noqa: SIM118
)
_DELETE = sa.delete(jobs).where(jobs.c.id == sa.bindparam("job"), jobs.c.summary == sa.bindparam("old"))
_DELETE_TERMS = sa.delete(terms).where(*(column == sa.bindparam(f"old_{column.name}") for column in terms.c))
_SUMMARY = sa.select(jobs.c.summary).where(jobs.c.id == sa.bindparam("job"))
_WHOLE = sa.select(jobs.c.summary, jobs.c.heavy).where(jobs.c.id == sa.bindparam("job"))
_SUMMARIES = sa.select(jobs.c.id, jobs.c.summary).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)))
_WHOLES = sa.select(jobs.c.id, jobs.c.summary, jobs.c.heavy).where(
    jobs.c.id.in_(sa.bindparam("ids", expanding=True))
)
_EXISTING = sa.select(jobs.c.id).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)))


class JobArchive:
    """All changes of finished jobs go through one of these, which knows what it has cached."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._finder = Finder(records, JOBS, jobs)
        self._cache = ByteCache(_CACHE_BYTES)

    async def add(self, job: Mapping[str, Any], *also: Write) -> bool:
        """Store a finished job with its search words, and `also`, in one transaction.

        Return False, with nothing changed at all, if a job with this ID is stored already. Raises
        Unavailable: nothing is promised, and it may be repeated.
        """
        row = _row(job)
        with self._finder.changing():
            return await self._records.write_if(
                Write(_INSERT, row), Write(_INSERT_TERMS, term_rows(JOBS, job["id"], job)), *also
            )

    def forget(self) -> None:
        """Somebody else may have changed the archive: what is remembered of it counts no more."""
        self._cache.forget_all()
        with self._finder.changing():
            pass

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
        query = _WHOLES if verbose else _SUMMARIES
        for row in await self._rows(query, ids):
            encoded = _merged(row.summary, row.heavy) if verbose else row.summary
            found[row.id] = msgspec.json.decode(encoded, type=Json)
        return found

    async def exists(self, ids: Sequence[str]) -> set[str]:
        return {row.id for row in await self._rows(_EXISTING, ids)}

    async def replace(self, job: Mapping[str, Any]) -> bool:
        """Store `job` in place of the record with its ID; False if there is none."""
        row = _row(job)
        new = terms_of(JOBS, job)
        return await self._change(
            job["id"],
            lambda old: Write(_REPLACE, {**row, "job": job["id"], "old": old}),
            lambda old: [
                *_term_deletions(job["id"], terms_of(JOBS, msgspec.json.decode(old)) - new),
                Write(_INSERT_TERMS, term_rows(JOBS, job["id"], job)),
            ],
        )

    async def revise(self, job_id: str, change: Callable[[Json], Json]) -> Json | None:
        """Store what `change` makes of the record as it is now; returns that, None if there is no record.

        `change` may be called again, with a newer record, if somebody else changed it meanwhile: of two
        that revise one record neither loses what the other did. What it raises comes through.
        """
        while True:
            row = await self._records.read(
                lambda connection: connection.execute(_WHOLE, {"job": job_id}).one_or_none()
            )
            if row is None:
                return None
            changed = change(msgspec.json.decode(_merged(row.summary, row.heavy), type=Json))
            old, new = terms_of(JOBS, msgspec.json.decode(row.summary)), terms_of(JOBS, changed)
            revision = {**_row(changed), "job": job_id, "old": row.summary, "old_heavy": row.heavy}
            try:
                with self._finder.changing():
                    done = await self._records.write_if(
                        Write(_REVISE, revision),
                        *_term_deletions(job_id, old - new),
                        Write(_INSERT_TERMS, term_rows(JOBS, job_id, changed)),
                    )
            finally:
                self._cache.forget(job_id)
            if done:
                return changed

    async def delete(self, job_id: str) -> bool:
        """False if there is none."""
        return await self._change(
            job_id,
            lambda old: Write(_DELETE, {"job": job_id, "old": old}),
            lambda old: _term_deletions(job_id, terms_of(JOBS, msgspec.json.decode(old))),
        )

    async def search(
        self,
        query: str,
        *,
        offset: int = 0,
        limit: int = 1,
        sort_by: str = "_id",
        sort_dir: int = -1,
        restriction: Restriction | None = None,
        verbose: bool = False,
        select: Sequence[str] | None = None,
    ) -> SearchPage:
        """One page of the jobs that match `query` (contract search.md §1, §3), and their total.

        A `limit` below 1 is 1, an `offset` below 0 is 0. `verbose`: with the heavy properties. `select`:
        only these properties. Raises SearchError (code `db`) for a query or sorter that is wrong.
        """
        tree = restricted(parse(query, JOBS, now()), JOBS, restriction)
        whole = bool(HEAVY.intersection(select)) if select else verbose
        documents, total = await self._finder.find(
            tree,
            offset=max(offset, 0),
            limit=max(limit, 1),
            sort_by=sort_by,
            descending=sort_dir < 0,
            columns=("summary", "heavy") if whole else ("summary",),
        )
        encoded = [_merged(*document) for document in documents] if whole else [one for (one,) in documents]
        if select:
            wanted = frozenset(select)
            return SearchPage([_selected(record, wanted) for record in encoded], total)
        return SearchPage([msgspec.Raw(record) for record in encoded], total)

    async def _rows(self, query: sa.Select[Any], ids: Sequence[str]) -> list[sa.Row[Any]]:
        rows: list[sa.Row[Any]] = []
        wanted = list(dict.fromkeys(ids))
        for start in range(0, len(wanted), _IDS_TOGETHER):
            some = {"ids": wanted[start : start + _IDS_TOGETHER]}
            rows += await self._records.read(
                lambda connection, some=some: connection.execute(query, some).all()  # type: ignore[misc]
            )
        return rows

    async def _change(self, job_id: str, change: Any, follow: Any) -> bool:
        """Make a change that depends on the stored summary; again if somebody changed it meanwhile."""
        while True:
            old = await self._records.read(
                lambda connection: connection.execute(_SUMMARY, {"job": job_id}).scalar()
            )
            if old is None:
                return False
            try:
                with self._finder.changing():
                    done = await self._records.write_if(change(old), *follow(old))
            finally:
                self._cache.forget(job_id)
            if done:
                return True


def _row(job: Mapping[str, Any]) -> Json:
    return {
        "id": job["id"],
        "completed": float(job.get("completed") or 0),
        "elapsed": float(job.get("elapsed") or 0),
        "event": str(job.get("event") or ""),
        "category": str(job.get("category") or ""),
        "summary": msgspec.json.encode({key: value for key, value in job.items() if key not in HEAVY}),
        "heavy": msgspec.json.encode({key: job[key] for key in HEAVY if key in job}),
    }


def _term_deletions(record: str, old: set[tuple[str, str]]) -> list[Write]:
    rows = [
        {"old_index_name": JOBS.name, "old_field": field, "old_word": word, "old_record": record}
        for field, word in sorted(old)
    ]
    return [Write(_DELETE_TERMS, rows)] if rows else []


def _merged(summary: bytes, heavy: bytes) -> bytes:
    """One JSON object out of the two parts; a summary has at least its ID."""
    return summary if heavy == b"{}" else b"%b,%b" % (summary[:-1], heavy[1:])


def _selected(record: bytes, wanted: frozenset[str]) -> Json:
    decoded: Json = msgspec.json.decode(record)
    return {key: value for key, value in decoded.items() if key in wanted}
