"""Reading the activity log by what a row is about."""

from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.records.search import words
from conductor.records.search.index import ACTIVITY
from conductor.records.store import Records
from conductor.records.tables import activity, terms

Json = dict[str, Any]

_ADDRESSES = ("ip", "ips", "headers")
_SORTED_BY = {"_id": activity.c.id, "epoch": activity.c.epoch, "date": activity.c.epoch}


async def of_item(
    records: Records,
    item_id: str,
    actions: tuple[str, ...],
    *,
    offset: int,
    limit: int,
    sort_by: str = "_id",
    newest_first: bool = True,
) -> tuple[list[Json], int]:
    """Rows with these actions about this item, and how many there are; without client addresses.

    Raises KeyError for a `sort_by` that is not `_id`, `epoch` or `date`.
    """
    column = _SORTED_BY[sort_by]
    wanted: sa.ColumnElement[bool] = activity.c.action.in_(actions)
    for word in words.words(item_id, ACTIVITY.fields["keywords"]):
        wanted &= activity.c.id.in_(
            sa.select(terms.c.record).where(
                terms.c.index_name == ACTIVITY.name, terms.c.field == "keywords", terms.c.word == word
            )
        )
    rows = (
        sa.select(activity.c.doc)
        .where(wanted)
        .order_by(column.desc() if newest_first else column.asc())
        .offset(offset)
        .limit(limit)
    )
    count = sa.select(sa.func.count()).select_from(activity).where(wanted)

    def query(sql: sa.Connection) -> tuple[list[bytes], int]:
        return list(sql.execute(rows).scalars()), sql.execute(count).scalar_one()

    docs, total = await records.read(query)
    found = []
    for doc in docs:
        row: Json = msgspec.json.decode(doc)
        found.append({key: value for key, value in row.items() if key not in _ADDRESSES})
    return found, total
