"""Where tickets are kept, and their numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from conductor.definitions.json_values import Json
from conductor.definitions.state import GlobalState
from conductor.errors import Refusal, Unavailable
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.records.tables import tickets as table
from conductor.signals import EventRow
from conductor.tickets.fields import TICKET

STATE = "tickets"
"""The path of the global state that holds `next_ticket_num`."""
_TRIES = 20

_GREATEST = sa.select(sa.func.max(table.c.num))
_BY_NUM = sa.select(table.c.doc).where(table.c.num == sa.bindparam("wanted"))


Events = Callable[[Json], Sequence[EventRow]]


def _none(ticket: Json) -> Sequence[EventRow]:
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

    async def add(self, ticket: Json, events: Events = _none) -> Json:
        """Number and store a new ticket; returns it. Raises Refusal `ticket` for a known ID, Unavailable.

        `events` makes of the numbered ticket what the event log says of it.

        The counter is stored before the ticket: whoever dies in between leaves a gap, never a number twice.
        The table's own constraint catches what came by other ways, an import for example.
        """
        least = 1
        for _ in range(_TRIES):
            numbered = {**ticket, "num": await self._number(least)}
            try:
                added = await self.documents.add(ticket["id"], numbered, events=events(numbered))
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
        self, id: str, change: Callable[[Json], Mapping[str, Any]], events: Events = _none
    ) -> Json:
        """Store what `change` makes of the ticket; nobody's change is lost. Raises Refusal `ticket`."""
        changed = await self.documents.change(id, change, events=lambda stored: events(dict(stored)))
        if changed is None:
            raise Refusal(TICKET, f"Ticket not found: {id}")
        return changed

    async def _number(self, least: int) -> int:
        number = 0

        def advanced(stored: Json) -> Json:
            nonlocal number
            number = max(int(stored.get("next_ticket_num", 1)), least)
            return {"next_ticket_num": number + 1}

        await self._state.revise(STATE, advanced)
        return number
