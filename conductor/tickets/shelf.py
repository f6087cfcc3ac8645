"""Where tickets are kept, and their numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conductor.definitions.json_values import Json
from conductor.definitions.state import GlobalState
from conductor.definitions.unbroken import unbroken
from conductor.errors import Refusal, Unavailable
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records, Write
from conductor.records.tables import tickets as table
from conductor.signals import EventRow
from conductor.tickets.fields import TICKET
from conductor.tickets.ports import Intent
from shared import faults

STATE = "tickets"
"""The path of the global state that holds `next_ticket_num`."""
_TRIES = 20

_GREATEST = sa.select(sa.func.max(table.c.num))
_BY_NUM = sa.select(table.c.doc).where(table.c.num == sa.bindparam("wanted"))


Intents = Callable[[Mapping[str, Any]], Sequence[Intent]]
Events = Callable[[Json], Sequence[EventRow]]


def _no_intents(ticket: Mapping[str, Any]) -> Sequence[Intent]:
    return ()


def _no_events(ticket: Json) -> Sequence[EventRow]:
    return ()


class Shelf:
    """Tickets by ID and by number. No two ever share a number, nor does one come again after a deletion."""

    def __init__(self, records: Records, documents: SearchableDocuments, state: GlobalState) -> None:
        self.documents = documents
        self._records = records
        self._state = state

    async def get(self, id: str) -> Json | None:
        return await self.documents.get(id)

    async def get_many(self, ids: Sequence[str]) -> dict[str, Json]:
        return await self.documents.get_many(ids)

    async def by_num(self, num: int) -> Json | None:
        """At once after its creation: the number is a column, not a word of the index."""
        encoded = await self._records.read(
            lambda connection: connection.execute(_BY_NUM, {"wanted": num}).scalar()
        )
        return None if encoded is None else msgspec.json.decode(encoded, type=Json)

    async def add(self, ticket: Json, intents: Intents = _no_intents, events: Events = _no_events) -> Json:
        """Number and store a new ticket; returns it. Raises Refusal `ticket` for a known ID, Unavailable.

        What `intents` makes of the numbered ticket, and what the event log says of it by `events`, is stored
        with it, or not at all.

        The counter is stored before the ticket: whoever dies in between leaves a gap, never a number twice.
        The table's own constraint catches what came by other ways, an import for example.
        """
        least = 1
        for _ in range(_TRIES):
            numbered = {**ticket, "num": await self._number(least)}
            try:
                added = await self._adding(numbered, intents, events)
            except Unavailable as refusal:
                if not isinstance(refusal.__cause__, IntegrityError):
                    raise
                greatest = await self._records.read(lambda connection: connection.execute(_GREATEST).scalar())
                least = int(greatest or 0) + 1
                continue
            if not added:
                raise Refusal(TICKET, f"That Ticket ID already exists: {ticket['id']}")
            return numbered
        raise Unavailable("No free ticket number was found")

    async def change(
        self,
        id: str,
        change: Callable[[Json], Mapping[str, Any]],
        intents: Intents = _no_intents,
        events: Events = _no_events,
    ) -> Json:
        """Store what `change` makes of the ticket; nobody's change is lost. Raises Refusal `ticket`.

        What `intents` and `events` make of the changed ticket is stored with it, or not at all.
        """
        staging = _Staging(self._state, intents)
        changed: Json | None = None

        async def changing() -> None:
            nonlocal changed
            try:
                changed = await self.documents.change(
                    id, change, then=staging.writes, events=lambda stored: events(dict(stored))
                )
            finally:
                staging.end(stored=changed is not None)

        await unbroken(changing())
        if changed is None:
            raise Refusal(TICKET, f"Ticket not found: {id}")
        faults.reach("conductor.ticket_stored")
        return changed

    async def _adding(self, ticket: Json, intents: Intents, events: Events) -> bool:
        staging = _Staging(self._state, intents)
        added = False

        async def adding() -> None:
            nonlocal added
            try:
                writes = staging.writes(ticket)
                added = await self.documents.add(ticket["id"], ticket, *writes, events=events(ticket))
            finally:
                staging.end(stored=added)

        await unbroken(adding())
        if added:
            faults.reach("conductor.ticket_stored")
        return added

    async def _number(self, least: int) -> int:
        number = 0

        def advanced(stored: Json) -> Json:
            nonlocal number
            number = max(int(stored.get("next_ticket_num", 1)), least)
            return {"next_ticket_num": number + 1}

        await self._state.revise(STATE, advanced)
        return number


class _Staging:
    """Intents on their way into a ticket's transaction, each below a path of its own."""

    def __init__(self, state: GlobalState, intents: Intents) -> None:
        self._state = state
        self._intents = intents
        self._staged: Sequence[Intent] = ()

    def writes(self, ticket: Mapping[str, Any]) -> Sequence[Write]:
        """For this version of the ticket; those of one that was not stored are dropped."""
        self.end(stored=False)
        self._staged = self._intents(ticket)
        return [self._state.staged(path, doc) for path, doc in self._staged]

    def end(self, *, stored: bool) -> None:
        for path, doc in self._staged:
            if stored:
                self._state.apply(path, doc)
            else:
                self._state.withdraw(path)
        self._staged = ()
