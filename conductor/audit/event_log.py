"""Reading the causal event log (seed 004). Every answer counts and lists only what its reader may see."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from conductor.records.chain import Break, first_break
from conductor.records.search.restriction import Restriction
from conductor.records.store import Records, Write
from conductor.records.tables import events as table
from shared import clock

SUCCESSES: Final = ("job.succeeded", "action.succeeded", "workflow.succeeded")
FAILURES: Final = (
    "job.failed", "job.aborted", "job.lost", "action.failed", "workflow.failed", "login.refused",
)  # fmt: skip
_COLUMNS = tuple(column for column in table.c if column.name not in ("hash", "category", "groups"))
_LONGEST_STORY: Final = 10_000
_DROPPED_TOGETHER: Final = 5_000
ADMINISTRATORS: Final = "*"
"""The category of what administrators alone may know."""


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event, as the API gives it. Times are ISO 8601 in UTC; `payload.id` is our own ID of the resource."""

    id: str
    event_type: str
    occurred_at: str
    actor_type: str
    actor_id: str
    resource_type: str
    resource_id: str
    correlation_id: str
    causation_id: str | None
    payload: msgspec.Raw
    tenant_id: str = "default"


class Page(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    events: list[Event]
    has_next: bool
    limit: int
    offset: int
    total: int


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for; empty asks for everything. `since` and `until` are microseconds, both inclusive."""

    event_type: str = ""
    resource_type: str = ""
    resource: str = ""
    correlation: str = ""
    common: bool = False
    """Without what administrators alone may know."""
    since: int | None = None
    until: int | None = None


class Count(msgspec.Struct, frozen=True):
    key: str
    count: int


class Aggregate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    by_actor_type: list[Count]
    by_event_type: list[Count]
    by_resource_type: list[Count]
    total: int


class ActorStats(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    actor_id: str
    actor_type: str
    failures: int
    successes: int
    total: int


class EventLog:
    """The log as its readers see it; rows are written by `Records.write(…, events=…)`."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def page(
        self, wanted: Filter, restriction: Restriction, *, limit: int, offset: int, newest_first: bool = True
    ) -> Page:
        """One page and how many there are in all."""
        where = _where(wanted, restriction)
        order = table.c.seq.desc() if newest_first else table.c.seq
        query = sa.select(*_COLUMNS).where(*where).order_by(order).limit(limit).offset(offset)

        def read(sql: sa.Connection) -> tuple[list[Event], int]:
            found = [_event(row) for row in sql.execute(query)]
            return found, _total(sql, where)

        found, total = await self._records.read(read)
        return Page(
            events=found, has_next=offset + len(found) < total, limit=limit, offset=offset, total=total
        )

    async def get(self, event_id: str, restriction: Restriction, *, common: bool = False) -> Event | None:
        """The event with this UUID, None also when the reader may not see it."""
        where = _where(Filter(common=common), restriction)
        query = sa.select(*_COLUMNS).where(table.c.id == event_id, *where)
        row = await self._records.read(lambda sql: sql.execute(query).first())
        return _event(row) if row else None

    async def story(self, correlation: str, restriction: Restriction, *, common: bool = False) -> list[Event]:
        """Every event of one correlation in order, the first ten thousand at most."""
        page = await self.page(
            Filter(correlation=correlation, common=common),
            restriction,
            limit=_LONGEST_STORY,
            offset=0,
            newest_first=False,
        )
        return page.events

    async def after(
        self, seq: int, wanted: Filter, restriction: Restriction, limit: int
    ) -> list[tuple[int, Event]]:
        """The next events after number `seq`, each with its own number: what a live tail follows."""
        query = (
            sa.select(*_COLUMNS)
            .where(table.c.seq > seq, *_where(wanted, restriction))
            .order_by(table.c.seq)
            .limit(limit)
        )
        return await self._records.read(lambda sql: [(row.seq, _event(row)) for row in sql.execute(query)])

    async def last(self) -> int:
        """The number of the newest event, 0 when there is none."""
        return await self._records.read(
            lambda sql: sql.execute(sa.select(sa.func.max(table.c.seq))).scalar() or 0
        )

    async def numbered(self, seq: int) -> Event | None:
        """The event with this number."""
        query = sa.select(*_COLUMNS).where(table.c.seq == seq)
        row = await self._records.read(lambda sql: sql.execute(query).first())
        return _event(row) if row else None

    async def number_of(self, event_id: str) -> int | None:
        """The number of the event with this UUID."""
        query = sa.select(table.c.seq).where(table.c.id == event_id)
        return await self._records.read(lambda sql: sql.execute(query).scalar())

    async def aggregate(self, wanted: Filter, restriction: Restriction) -> Aggregate:
        """How many events there are of each type, actor type and resource type, most frequent first."""
        where = _where(wanted, restriction)

        def read(sql: sa.Connection) -> Aggregate:
            return Aggregate(
                by_actor_type=_counts(sql, table.c.actor_type, where),
                by_event_type=_counts(sql, table.c.type, where),
                by_resource_type=_counts(sql, table.c.resource_type, where),
                total=_total(sql, where),
            )

        return await self._records.read(read)

    async def actors(self, wanted: Filter, restriction: Restriction) -> list[ActorStats]:
        """What each actor did, and how much of it succeeded or failed, the busiest first."""
        total = sa.func.count()
        query = (
            sa.select(
                table.c.actor,
                table.c.actor_type,
                _count_of(FAILURES).label("failures"),
                _count_of(SUCCESSES).label("successes"),
                total.label("total"),
            )
            .where(*_where(wanted, restriction))
            .group_by(table.c.actor, table.c.actor_type)
            .order_by(total.desc(), table.c.actor)
        )
        rows = await self._records.read(lambda sql: list(sql.execute(query)))
        return [
            ActorStats(
                actor_id=row.actor,
                actor_type=row.actor_type,
                failures=row.failures,
                successes=row.successes,
                total=row.total,
            )
            for row in rows
        ]

    async def verify(self) -> tuple[int, Break | None]:
        """(events verified, the first break of the chain or None)."""
        return await self._records.read(first_break, timeout=3600.0)

    async def expire(self, days: int) -> int:
        """Remove events older than `days`, all in the order they came; how many. 0 keeps everything."""
        return await self.drop_before(int((clock.now() - days * 86_400) * 1_000_000)) if days > 0 else 0

    async def drop_before(self, moment: int) -> int:
        """Retention: remove the oldest events up to `moment` (microseconds); how many. The newest stays."""
        newest = await self.last()
        query = sa.select(sa.func.max(table.c.seq)).where(table.c.occurred < moment)
        last = await self._records.read(lambda sql: sql.execute(query).scalar() or 0)
        last = min(last, newest - 1)
        first = await self._records.read(
            lambda sql: sql.execute(sa.select(sa.func.min(table.c.seq))).scalar() or 0
        )
        dropped = 0
        while first <= last and last > 0:
            until = min(first + _DROPPED_TOGETHER - 1, last)
            dropped += await self._records.write(Write(_DROP, {"until": until}), timeout=60.0)
            first = until + 1
        return dropped


_DROP = sa.delete(table).where(table.c.seq <= sa.bindparam("until"))


def moment(microseconds: int) -> str:
    """ISO 8601 in UTC."""
    text = datetime.fromtimestamp(microseconds / 1_000_000, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


def _event(row: Any) -> Event:
    return Event(
        id=row.id,
        event_type=row.type,
        occurred_at=moment(row.occurred),
        actor_type=row.actor_type,
        actor_id=row.actor,
        resource_type=row.resource_type,
        resource_id=row.resource,
        correlation_id=row.correlation,
        causation_id=row.causation or None,
        payload=msgspec.Raw(bytes(row.payload)),
    )


def _where(wanted: Filter, restriction: Restriction) -> list[sa.ColumnElement[bool]]:
    conditions: list[sa.ColumnElement[bool]] = []
    for value, column in (
        (wanted.event_type, table.c.type),
        (wanted.resource_type, table.c.resource_type),
        (wanted.resource, table.c.resource),
        (wanted.correlation, table.c.correlation),
    ):
        if value:
            conditions.append(column == value)
    if wanted.since is not None:
        conditions.append(table.c.occurred >= wanted.since)
    if wanted.until is not None:
        conditions.append(table.c.occurred <= wanted.until)
    if wanted.common:
        conditions.append(table.c.category != ADMINISTRATORS)
    if restriction.categories:
        conditions.append(table.c.category.in_(["", *sorted(restriction.categories)]))
    if restriction.groups:
        member = [
            table.c.groups.contains(f",{group},", autoescape=True) for group in sorted(restriction.groups)
        ]
        conditions.append(sa.or_(table.c.groups == "", *member))
    return conditions


def _total(sql: sa.Connection, where: Sequence[sa.ColumnElement[bool]]) -> int:
    if not where:  # numbers have no gaps: counting a million rows would take longer than all the rest
        row = sql.execute(sa.select(sa.func.min(table.c.seq), sa.func.max(table.c.seq))).one()
        return row[1] - row[0] + 1 if row[1] else 0
    return sql.execute(sa.select(sa.func.count()).select_from(table).where(*where)).scalar() or 0


def _counts(
    sql: sa.Connection, column: sa.Column[str], where: Sequence[sa.ColumnElement[bool]]
) -> list[Count]:
    count = sa.func.count()
    query = sa.select(column, count).where(*where).group_by(column).order_by(count.desc(), column)
    return [Count(key, number) for key, number in sql.execute(query)]


def _count_of(types: Sequence[str]) -> sa.ColumnElement[int]:
    return sa.func.coalesce(sa.func.sum(sa.case((table.c.type.in_(types), 1), else_=0)), 0)
