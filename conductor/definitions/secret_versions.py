"""Earlier values of secrets (contract api/secrets.yaml, "Where to be better"): sealed as the present ones are.

Whoever sees what a change broke goes back by `restore_secret_version`; `KEPT` of each secret are kept.
"""

import asyncio
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.definitions.json_values import Json
from conductor.definitions.sealing import CannotOpenError, Fields, Seal
from conductor.errors import Refusal
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import secret_versions as table
from shared.clock import now

KEPT = 10

_PUT = upsert(table)
_DROP = sa.delete(table).where(table.c.id == sa.bindparam("gone"))
_MINE = (
    sa.select(table.c.revision, table.c.doc)
    .where(table.c.id == sa.bindparam("of"))
    .order_by(table.c.revision.desc())
)
_OLDEST_KEPT = (
    sa.select(table.c.revision)
    .where(table.c.id == sa.bindparam("of_id"))
    .order_by(table.c.revision.desc())
    .offset(KEPT - 1)
    .limit(1)
    .scalar_subquery()
)
_TRIM = sa.delete(table).where(table.c.id == sa.bindparam("of_id"), table.c.revision < _OLDEST_KEPT)


class SecretVersions:
    """A version is named by the moment at which it was replaced, in milliseconds."""

    def __init__(self, records: Records) -> None:
        self._records = records

    @staticmethod
    def keeping(id: str, envelope: bytes) -> tuple[Write, ...]:
        """Writes that keep the values that are about to be replaced."""
        row = {"id": id, "revision": int(now() * 1000), "doc": envelope}
        return (Write(_PUT, row), Write(_TRIM, {"of_id": id}))

    @staticmethod
    def dropping(id: str) -> Write:
        return Write(_DROP, {"gone": id})

    async def listed(self, id: str, seal: Seal) -> list[Json]:
        """`replaced` and the variables' `names` of each, the newest first; no values."""
        rows = await self._rows(id)
        return await asyncio.to_thread(_outlined, seal, id, rows)

    async def fields(self, id: str, replaced: int, seal: Seal) -> Fields:
        """The values that were replaced then. Raises Refusal `secret`."""
        for number, doc in await self._rows(id):
            if number == replaced:
                try:
                    return await asyncio.to_thread(seal.open, id, msgspec.json.decode(doc))
                except CannotOpenError as error:
                    raise Refusal("secret", f"Secret cannot be decrypted: {id} ({error})") from None
        raise Refusal("secret", f"Secret has no such version: {id}")

    async def under(self, old: Seal, new: Seal) -> list[Write]:
        """Writes that put every version under another key; those that cannot be opened stay as they are."""
        query = sa.select(table.c.id, table.c.revision, table.c.doc)
        rows = await self._records.read(lambda sql: [tuple(row) for row in sql.execute(query)])
        changed = await asyncio.to_thread(_resealed, old, new, rows)
        return [Write(_PUT, changed)] if changed else []

    async def _rows(self, id: str) -> list[tuple[int, bytes]]:
        return await self._records.read(
            lambda sql: [(row.revision, row.doc) for row in sql.execute(_MINE, {"of": id})]
        )


def _outlined(seal: Seal, id: str, rows: list[tuple[int, bytes]]) -> list[Json]:
    listed = []
    for replaced, doc in rows:
        try:
            names = [field.get("name") for field in seal.open(id, msgspec.json.decode(doc))]
        except CannotOpenError:
            names = []
        listed.append({"replaced": replaced, "names": names})
    return listed


def _resealed(old: Seal, new: Seal, rows: list[tuple[Any, ...]]) -> list[Json]:
    changed = []
    for id, revision, doc in rows:
        try:
            fields = old.open(id, msgspec.json.decode(doc))
        except CannotOpenError:
            continue
        changed.append({"id": id, "revision": revision, "doc": msgspec.json.encode(new.seal(id, fields))})
    return changed
