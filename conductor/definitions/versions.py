"""The states that definitions were in: kept with each change, in its transaction.

The activity log tells the same, as long as it is kept; this does not shrink because something else was busy.
A row has the shape of an activity row (contract structures/activity.yaml) without client addresses.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.definitions import rows
from conductor.definitions.json_values import Json
from conductor.definitions.kind import Kind
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import versions as table
from conductor.signals import Actor
from shared.clock import now
from shared.ids import short_id

KEPT = 200
"""Versions of one definition; older ones go."""

_UNKEPT = frozenset(("api_keys",))
"""Kinds without versions: nobody goes back to an older set of rights."""
_ADD = insert_new(table)
_OLDEST_KEPT = (
    sa.select(table.c.number)
    .where(table.c.kind == sa.bindparam("of_kind"), table.c.id == sa.bindparam("of_id"))
    .order_by(table.c.number.desc())
    .offset(KEPT - 1)
    .limit(1)
    .scalar_subquery()
)
_TRIM = sa.delete(table).where(
    table.c.kind == sa.bindparam("of_kind"),
    table.c.id == sa.bindparam("of_id"),
    table.c.number < _OLDEST_KEPT,
)


def version_writes(
    kind: Kind, verb: str, doc: Mapping[str, Any], actor: Actor, correlation_id: str = ""
) -> list[Write]:
    """The writes that keep `doc` as it is after `verb` (create, update) or was before it (delete).

    Raises BadParameter for what cannot be stored.
    """
    if kind.plural in _UNKEPT:
        return []
    row: Json = {
        "id": short_id("a"),
        "action": f"{kind.singular}_{verb}",
        "epoch": int(now()),
        "description": str(doc.get("title", "")),
        "keywords": [word for word in (doc["id"], actor.id) if word],
        kind.singular: msgspec.Raw(rows.encoded(kind, dict(doc))),
    }
    if actor.id:
        row["username"] = actor.id
    if kind.plural == "events" and actor.kind == "system":
        row["reason"] = "job"
    if correlation_id:
        row["correlation"] = correlation_id
    whose = {"of_kind": kind.plural, "of_id": doc["id"]}
    added = {"kind": kind.plural, "id": doc["id"], "number": row["id"], "doc": msgspec.json.encode(row)}
    return [Write(_ADD, added), Write(_TRIM, whose)]


async def of_definition(
    records: Records, kind: str, id: str, *, offset: int = 0, limit: int = 1, newest_first: bool = True
) -> tuple[list[Json], int]:
    """Rows of one definition in order of time, and how many there are. Raises Unavailable."""
    mine = (table.c.kind == kind) & (table.c.id == id)
    order = table.c.number.desc() if newest_first else table.c.number.asc()
    page = sa.select(table.c.doc).where(mine).order_by(order).offset(offset).limit(limit)
    count = sa.select(sa.func.count()).select_from(table).where(mine)

    def query(sql: sa.Connection) -> tuple[Sequence[bytes], int]:
        return sql.execute(page).scalars().all(), sql.execute(count).scalar_one()

    docs, total = await records.read(query)
    return [msgspec.json.decode(doc) for doc in docs], total


async def at_revision(records: Records, kind: Kind, id: str, revision: int) -> Json | None:
    """The definition as it was at a revision, the latest where an ID was used again; None if it is not kept."""
    found, _ = await of_definition(records, kind.plural, id, limit=KEPT)
    for row in found:
        doc: Json = row[kind.singular]
        if doc.get("revision") == revision:
            return doc
    return None


def changed(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[str]:
    """Names of the properties that differ, without those that every change touches."""
    if before is None:
        return sorted(after)
    return sorted(
        key
        for key in before.keys() | after.keys()
        if key not in _ALWAYS and before.get(key) != after.get(key)
    )


_ALWAYS = ("modified", "revision")
