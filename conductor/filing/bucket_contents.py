"""What is in buckets, in SQL: data by key and Files by normalised name (contract structures/bucket.yaml).

One row for each key and each file, so that writing one rewrites nothing else: a shallow merge is a set of
upserts, and two writers of one bucket lose nothing without waiting for each other.
"""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from conductor.records.store import Records, Write, insert_new, upsert
from conductor.records.tables import bucket_data, bucket_files, bucket_revisions
from conductor.signals import EventRow
from shared import ids

Json = dict[str, Any]

_SET_DATA = upsert(bucket_data)
_CLEAR_DATA = sa.delete(bucket_data).where(bucket_data.c.bucket == sa.bindparam("of"))
_REMOVE_DATA = sa.delete(bucket_data).where(
    bucket_data.c.bucket == sa.bindparam("of"), bucket_data.c.name == sa.bindparam("gone")
)
_DATA = (
    sa.select(bucket_data.c.name, bucket_data.c.doc)
    .where(bucket_data.c.bucket == sa.bindparam("of"))
    .order_by(bucket_data.c.position, bucket_data.c.name)
)
_SIZES = sa.select(
    bucket_data.c.name, (sa.func.length(bucket_data.c.doc) + sa.func.length(bucket_data.c.name)).label("size")
).where(bucket_data.c.bucket == sa.bindparam("of"))

_SET_REVISION = upsert(bucket_revisions)
_FIRST_REVISION = insert_new(bucket_revisions)
_NEXT_REVISION = (
    sa.update(bucket_revisions)
    .where(
        bucket_revisions.c.bucket == sa.bindparam("of"), bucket_revisions.c.revision == sa.bindparam("old")
    )
    .values(revision=sa.bindparam("new"))
)
_FORGET_REVISION = sa.delete(bucket_revisions).where(bucket_revisions.c.bucket == sa.bindparam("of"))
_REVISION = sa.select(bucket_revisions.c.revision).where(bucket_revisions.c.bucket == sa.bindparam("of"))

_SET_FILES = upsert(bucket_files)
_CLEAR_FILES = sa.delete(bucket_files).where(bucket_files.c.bucket == sa.bindparam("of"))
_REMOVE_FILE = sa.delete(bucket_files).where(
    bucket_files.c.bucket == sa.bindparam("of"), bucket_files.c.name == sa.bindparam("gone")
)
_FILES = (
    sa.select(bucket_files.c.name, bucket_files.c.position, bucket_files.c.doc)
    .where(bucket_files.c.bucket == sa.bindparam("of"))
    .order_by(bucket_files.c.position, bucket_files.c.name)
)

_BUCKETS = sa.union(sa.select(bucket_data.c.bucket), sa.select(bucket_files.c.bucket))

_PER_ENTRY = 4
"""Bytes of JSON around a key and its value: two quotes, a colon, a comma."""


class Filed(NamedTuple):
    """One File of a bucket and its place in the list."""

    position: int
    file: Json


class BucketContents:
    """All methods raise Unavailable."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def buckets(self) -> list[str]:
        """IDs of those that hold anything."""
        rows = await self._records.read(lambda connection: connection.execute(_BUCKETS).scalars().all())
        return sorted(rows)

    async def data(self, bucket: str) -> Json:
        rows = await self._records.read(lambda connection: connection.execute(_DATA, {"of": bucket}).all())
        return {row.name: msgspec.json.decode(row.doc) for row in rows}

    async def size_beside(self, bucket: str, names: Collection[str]) -> int:
        """Bytes of the stored keys and values, without those of these names."""
        rows = await self._records.read(lambda connection: connection.execute(_SIZES, {"of": bucket}).all())
        return sum(int(row.size) + _PER_ENTRY for row in rows if row.name not in names)

    async def revision(self, bucket: str) -> str:
        """Another one after each change of the data; empty before the first."""
        return (
            await self._records.read(
                lambda connection: connection.execute(_REVISION, {"of": bucket}).scalar_one_or_none()
            )
            or ""
        )

    async def write(
        self,
        bucket: str,
        values: Mapping[str, Any],
        *,
        remove: Sequence[str] = (),
        replace: bool = False,
        expected: str | None = None,
        events: Sequence[EventRow] = (),
    ) -> str | None:
        """Set these keys and remove others, and log `events`, in one transaction; returns the new revision.

        `replace` removes every other key. With `expected` nothing is done, and None returned, unless the
        data still has that revision.
        """
        new = ids.short_id("v")
        writes = []
        if replace:
            writes.append(Write(_CLEAR_DATA, {"of": bucket}))
        elif remove:
            writes.append(Write(_REMOVE_DATA, [{"of": bucket, "gone": name} for name in remove]))
        position = time.time_ns()
        rows = [
            {"bucket": bucket, "name": name, "position": position + number, "doc": msgspec.json.encode(value)}
            for number, (name, value) in enumerate(values.items())
        ]
        if rows:
            writes.append(Write(_SET_DATA, rows))
        if expected is None:
            revision = Write(_SET_REVISION, {"bucket": bucket, "revision": new})
            await self._records.write(revision, *writes, events=events)
            return new
        condition = (
            Write(_NEXT_REVISION, {"of": bucket, "old": expected, "new": new})
            if expected
            else Write(_FIRST_REVISION, {"bucket": bucket, "revision": new})
        )
        return new if await self._records.write_if(condition, *writes, events=events) else None

    def clearing(self, bucket: str) -> tuple[Write, ...]:
        """The end of all data, for the transaction that removes something else as well."""
        new = {"bucket": bucket, "revision": ids.short_id("v")}
        return Write(_SET_REVISION, new), Write(_CLEAR_DATA, {"of": bucket})

    async def files(self, bucket: str) -> dict[str, Filed]:
        """Files by normalised name, oldest first."""
        rows = await self._records.read(lambda connection: connection.execute(_FILES, {"of": bucket}).all())
        return {row.name: Filed(row.position, msgspec.json.decode(row.doc)) for row in rows}

    async def set_files(
        self, bucket: str, files: Mapping[str, Filed], *also: Write, events: Sequence[EventRow] = ()
    ) -> None:
        """Store Files by name, `also` and `events`, in one transaction."""
        await self._records.write(_files_write(bucket, files), *also, events=events)

    async def replace_files(self, bucket: str, files: Mapping[str, Filed]) -> None:
        await self._records.write(Write(_CLEAR_FILES, {"of": bucket}), _files_write(bucket, files))

    async def remove_files(
        self, bucket: str, names: Iterable[str], *also: Write, events: Sequence[EventRow] = ()
    ) -> None:
        """Remove Files by name, and do `also` and log `events`, in one transaction."""
        gone = Write(_REMOVE_FILE, [{"of": bucket, "gone": name} for name in names])
        await self._records.write(gone, *also, events=events)

    async def drop(self, bucket: str) -> None:
        """Everything known of the bucket."""
        of = {"of": bucket}
        await self._records.write(
            Write(_CLEAR_FILES, of), Write(_CLEAR_DATA, of), Write(_FORGET_REVISION, of)
        )


def _files_write(bucket: str, files: Mapping[str, Filed]) -> Write:
    return Write(
        _SET_FILES,
        [
            {
                "bucket": bucket,
                "name": name,
                "position": filed.position,
                "doc": msgspec.json.encode(filed.file),
            }
            for name, filed in files.items()
        ],
    )


def size_of(values: Mapping[str, Any]) -> int:
    """Bytes that these keys and values take as part of a JSON object."""
    return sum(
        len(name.encode(errors="replace")) + len(msgspec.json.encode(value)) + _PER_ENTRY
        for name, value in values.items()
    )
