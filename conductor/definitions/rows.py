"""Definitions as SQL rows: statements, and documents in their encoded form."""

import msgspec
import sqlalchemy as sa

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Kind
from conductor.errors import BadParameter
from conductor.records.store import Write, upsert
from conductor.records.tables import definitions as table

MAX_BYTES = 8 * 1024**2
"""Of one encoded definition."""

_PUT = upsert(table)
_DELETE = sa.delete(table).where(
    table.c.kind == sa.bindparam("gone_kind"), table.c.id == sa.bindparam("gone_id")
)
_ALL = sa.select(table.c.kind, table.c.id, table.c.position, table.c.doc).order_by(
    table.c.kind, table.c.position
)
_KIND = _ALL.where(table.c.kind == sa.bindparam("wanted"))

Row = tuple[str, str, int, bytes]
"""Kind, ID, position, document."""


def encoded(kind: Kind, doc: Json) -> bytes:
    """Raises BadParameter for what JSON cannot hold and for more than MAX_BYTES."""
    try:
        result = msgspec.json.encode(doc)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadParameter(f"{noun(kind)} cannot be stored: {error}") from None
    if len(result) > MAX_BYTES:
        raise BadParameter(f"{noun(kind)} is larger than {MAX_BYTES} bytes")
    return result


def put(kind: Kind, id: str, position: int, doc: bytes) -> Write:
    return Write(_PUT, {"kind": kind.plural, "id": id, "position": position, "doc": doc})


def deletion(kind: Kind, id: str) -> Write:
    return Write(_DELETE, {"gone_kind": kind.plural, "gone_id": id})


def noun(kind: Kind) -> str:
    """The kind as texts name it."""
    return "API Key" if kind.singular == "api_key" else kind.singular.replace("_", " ").title()


def every_row(connection: sa.Connection) -> list[Row]:
    return [tuple(row) for row in connection.execute(_ALL)]


def rows_of(connection: sa.Connection, kind: str) -> list[Row]:
    return [tuple(row) for row in connection.execute(_KIND, {"wanted": kind})]
