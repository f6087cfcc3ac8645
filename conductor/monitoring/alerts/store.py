"""What outlives the primary: states, invocations, and the actions that are owed (SQL).

A change of an invocation, the state it comes from and the actions it owes are one transaction. Everything
raises Unavailable (nothing is promised) and Deposed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.monitoring.alerts.evaluation import AlertState
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records, Write, insert_new, upsert
from conductor.signals import EventRow

Json = dict[str, Any]

MOST_JOBS = 100
"""Of one invocation's list; the oldest are dropped."""

_PUT_STATE = upsert(tables.alert_states)
_DROP_STATE = sa.delete(tables.alert_states).where(
    tables.alert_states.c.server == sa.bindparam("of_server"),
    tables.alert_states.c.alert == sa.bindparam("of_alert"),
)
_OWE = insert_new(tables.alert_actions)
_PAGE = 500
_MOST_RECENT = 10_000
"""Invocations of one alert that are looked at for how often it fired lately."""

Events = Callable[[Mapping[str, Any]], Sequence[EventRow]]
"""What the event log says of an invocation as it is stored."""


def _none(invocation: Mapping[str, Any]) -> Sequence[EventRow]:
    return ()


class Owed(msgspec.Struct, frozen=True, kw_only=True):
    """Actions of an alert's change that are to run. `definition` is the one that fired."""

    invocation: str
    condition: str
    server: Json
    definition: Json
    stage: str = ""
    """`escalation-N` or `repeat-N`: what is told again, or to others."""

    @property
    def id(self) -> str:
        return "-".join(part for part in (self.invocation, self.condition, self.stage) if part)


class AlertStore:
    def __init__(self, records: Records, invocations: SearchableDocuments) -> None:
        self._records = records
        self._invocations = invocations
        self._owed = Documents(records, tables.alert_actions)

    # What a term begins with

    async def states(self) -> list[AlertState]:
        rows = await self._records.read(
            lambda connection: connection.execute(sa.select(tables.alert_states.c.doc)).scalars().all(),
            timeout=60.0,
        )
        return [msgspec.json.decode(row, type=AlertState) for row in rows]

    async def active(self) -> list[Json]:
        """Every invocation that is active and says of which alert, on which server: an import may bring others."""
        found: list[Json] = []
        while rows := await self.matching("active:true", offset=len(found)):
            found += rows
        named = ("id", "server", "alert")
        return [one for one in found if all(isinstance(one.get(key), str) for key in named)]

    async def owed(self) -> list[Owed]:
        return [msgspec.convert(doc, Owed) for doc in await self._owed.all()]

    # Invocations

    async def get(self, id: str) -> Json | None:
        return await self._invocations.get(id)

    async def get_many(self, ids: Iterable[str]) -> dict[str, Json]:
        return await self._invocations.get_many(list(ids))

    async def fire(
        self, invocation: Json, state: AlertState, owed: Owed | None, events: Sequence[EventRow] = ()
    ) -> None:
        """A new invocation; one that is stored already, since we died after it, is left as it is."""
        await self._invocations.add(
            str(invocation["id"]), invocation, self.put_state(state), *self._owing(owed), events=events
        )

    async def end(
        self,
        id: str,
        changes: Mapping[str, Any],
        states: Iterable[Write],
        owed: Owed | None,
        events: Events = _none,
    ) -> Json | None:
        """The invocation is over or silent; answers it, or None where it has been deleted.

        `events` makes of the stored invocation what the event log says of it.
        """
        also = (*states, *self._owing(owed))
        ended = await self._invocations.change(id, lambda doc: _changed(doc, changes), *also, events=events)
        if ended is None and also:
            await self._records.write(*states)
        return ended

    async def change(
        self,
        id: str,
        change: Callable[[Json], Json | None],
        events: Events = _none,
        *,
        owed: Owed | None = None,
    ) -> Json | None:
        """Store what `change` makes of the invocation with this ID; None where there is none, and nothing is owed."""
        return await self._invocations.change(id, change, *self._owing(owed), events=events)

    async def delete(self, id: str, events: Sequence[EventRow] = ()) -> bool:
        return await self._invocations.delete(id, events=events)

    async def fired_since(self, alert_id: str, date: float) -> list[Json]:
        """The last invocations of an alert that began at this time or later, oldest first."""
        query = f"alert:{alert_id} start:>={int(date)}"
        page = await self._invocations.search(query, limit=_MOST_RECENT, sort_by="_id", sort_dir=-1)
        return [msgspec.json.decode(row) for row in page.rows][::-1]

    async def matching(self, query: str, *, offset: int = 0) -> list[Json]:
        """One page of the invocations that match, oldest first; empty behind the last."""
        page = await self._invocations.search(query, offset=offset, limit=_PAGE, sort_by="_id", sort_dir=1)
        return [msgspec.json.decode(row) for row in page.rows]

    # States and owed actions

    async def save(self, states: Iterable[AlertState], gone: Iterable[tuple[str, str]]) -> None:
        """Many states at once, in one transaction; those of `gone` (server, alert) are dropped."""
        put = [self._row(state) for state in states]
        drop = [{"of_server": server, "of_alert": alert} for server, alert in gone]
        if put or drop:
            await self._records.write(Write(_PUT_STATE, put), Write(_DROP_STATE, drop))

    def put_state(self, state: AlertState) -> Write:
        return Write(_PUT_STATE, self._row(state))

    def drop_state(self, server: str, alert: str) -> Write:
        return Write(_DROP_STATE, {"of_server": server, "of_alert": alert})

    async def settle(
        self, owed: Owed, change: Callable[[Json], Json], events: Sequence[EventRow] = ()
    ) -> None:
        """The actions have run: store their results and owe them no more."""
        paid = self._owed.delete_write(owed.id)
        if await self._invocations.change(owed.invocation, change, paid, events=lambda _: events) is None:
            await self._records.write(paid, events=events)

    def _owing(self, owed: Owed | None) -> tuple[Write, ...]:
        if owed is None:
            return ()
        return (Write(_OWE, {"id": owed.id, "doc": msgspec.json.encode(owed)}),)

    @staticmethod
    def _row(state: AlertState) -> Json:
        return {"server": state.server, "alert": state.alert, "doc": msgspec.json.encode(state)}


def _changed(doc: Json, changes: Mapping[str, Any]) -> Json:
    """`doc` with the changes; properties that become None are removed."""
    return {key: value for key, value in {**doc, **changes}.items() if value is not None}
