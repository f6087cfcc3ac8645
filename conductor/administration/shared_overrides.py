"""Settings changed by administrators, as all conductors share them: sealed, for there are passwords in them."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
import structlog

from conductor.definitions.sealing import CannotOpenError, Seal
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import overrides as table
from conductor.signals import EventRow

Json = dict[str, Any]

_ID = "*"
"""The one row: all overrides, sealed together."""
_PUT = upsert(table)
_READ = sa.select(table.c.doc).where(table.c.path == _ID)

log = structlog.get_logger(__name__)


class SharedOverrides:
    """In the database, under the cluster's secret key."""

    def __init__(self, records: Records, secret_keys: Callable[[], Sequence[str]]) -> None:
        """`secret_keys`: the one that counts, then those before it."""
        self._records = records
        self._secret_keys = secret_keys

    async def load(self) -> Json | None:
        """The overrides by path; None where none were ever shared, or they cannot be opened. Raises Unavailable."""
        doc = await self._records.read(lambda sql: sql.execute(_READ).scalar())
        if doc is None:
            return None
        envelope: Json = msgspec.json.decode(doc)
        for key in self._secret_keys():
            try:
                fields = await asyncio.to_thread(_opened, key, envelope)
            except CannotOpenError:
                continue
            return {str(field["name"]): field["value"] for field in fields}
        log.error("the shared overrides are under another secret_key: those of this conductor count")
        return None

    async def save(self, overrides: Json, events: Sequence[EventRow] = ()) -> None:
        """`events` in the same transaction. Raises Unavailable; nothing has changed then."""
        fields = [{"name": path, "value": value} for path, value in overrides.items()]
        envelope = await asyncio.to_thread(_sealed, self._secret_keys()[0], fields)
        row = {"path": _ID, "doc": msgspec.json.encode(envelope)}
        await self._records.write(Write(_PUT, row), events=events)


def _opened(secret_key: str, envelope: Json) -> list[Json]:
    return Seal(secret_key).open(_ID, envelope)


def _sealed(secret_key: str, fields: list[Json]) -> Json:
    return Seal(secret_key).seal(_ID, fields)
