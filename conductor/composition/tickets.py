"""Tickets, with the facts and the mails about them."""

from collections.abc import Mapping
from typing import Any

from conductor.administration.house import Administration
from conductor.composition.access import Access
from conductor.composition.ground import Ground
from conductor.composition.outbound import Outbound
from conductor.signals import SYSTEM
from conductor.tickets.attachments import Attachments
from conductor.tickets.bonds import StoredBonds
from conductor.tickets.job_facts import StoredFacts
from conductor.tickets.notices import Notices
from conductor.tickets.people import Everybody
from conductor.tickets.shelf import Shelf
from conductor.tickets.tickets import Tickets


class Ticketing:
    """The room of tickets."""

    def __init__(self, ground: Ground, access: Access, outbound: Outbound, house: Administration) -> None:
        self._ground = ground
        settings, definitions, office = ground.settings, ground.definitions, ground.office
        stored_tickets = house.collections.documents["tickets"]
        stored_alerts = house.collections.documents["alerts"]
        people = Everybody(access.users)
        self._shelf = Shelf(ground.records, stored_tickets, definitions.state)
        self.notices = Notices(self._shelf, definitions.state, outbound.mailer, people, settings, self._title)
        self.facts = StoredFacts(
            definitions,
            settings,
            job=self._any_job,
            alert=stored_alerts.get,
            server=ground.roster.record,
        )
        self.tickets = Tickets(
            self._shelf,
            definitions,
            people,
            Attachments(ground.files, settings),
            self.notices,
            StoredBonds(ground.archive, office.book, stored_alerts),
            ground.signals,
            settings,
            server_exists=self._server_exists,
            spawn=lambda work: office.engine.in_background(work),
            closed=lambda: house.statistics.bump("transactions", "ticket_close"),
        )
        house.collections.deletes("tickets", self._delete)

    async def of_hook(self, doc: Mapping[str, Any], caused_by: str) -> Mapping[str, Any]:
        """A ticket that a system hook opens."""
        return await self.tickets.create(doc, actor=SYSTEM, username="system", caused_by=caused_by)

    def _title(self, kind: str, id: str) -> str:
        ground = self._ground
        found = ground.roster.record(id) if kind == "servers" else ground.definitions.get(kind, id)
        return str((found or {}).get("title") or id)

    async def _any_job(self, job_id: str) -> dict[str, Any] | None:
        active = self._ground.office.engine.book.get(job_id)
        return {**active.details, **active.job} if active else await self._ground.archive.get(job_id)

    async def _server_exists(self, server_id: str) -> bool:
        ground = self._ground
        return bool(ground.roster.record(server_id) or await ground.servers.get(server_id))

    async def _delete(self, ticket_id: str) -> None:
        if await self._shelf.get(ticket_id) is not None:
            await self.tickets.delete(ticket_id, actor=SYSTEM)
