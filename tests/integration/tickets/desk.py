"""Tickets on a real database, with real files; what they would mail is kept."""

from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conductor.announcer import Signals
from conductor.definitions.defaults import seed
from conductor.definitions.repository import Definitions
from conductor.outbound.delivery import Delivery
from conductor.records import tables
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import ALERTS, TICKETS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import Signal, TicketChanged
from conductor.tickets.attachments import Attachments
from conductor.tickets.bonds import StoredBonds
from conductor.tickets.notices import Notices
from conductor.tickets.people import Everybody
from conductor.tickets.shelf import Shelf
from conductor.tickets.tickets import Tickets

USERS: Mapping[str, Mapping[str, Any]] = {
    name: {"username": name, "active": 1, "email": f"{name}@example.com"} for name in ("ann", "bob", "cat")
} | {"mute": {"username": "mute", "active": 1, "email": "mute@example.com", "ticket_emails": False}}


@dataclass
class Post:
    """The edge of the network: takes mails, or refuses them while `away`."""

    mails: list[tuple[str, list[str], Mapping[str, Any], str]] = field(default_factory=list)
    away: bool = False

    async def send_template(
        self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = (), message_id: str = ""
    ) -> Delivery:
        if self.away:
            return Delivery(code="email", description="451 later")
        self.mails.append((template, list(to), data, message_id))
        return Delivery()


@dataclass
class Upload:
    path: Path
    name: str
    size: int


class Desk:
    def __init__(self, records: Records, definitions: Definitions, settings: Settings, folder: Path) -> None:
        self.records = records
        self.definitions = definitions
        self.settings = settings
        self.folder = folder
        self.post = Post()
        self.seen: list[TicketChanged] = []
        self.spawned: list[Coroutine[Any, Any, None]] = []
        self.files = Files.open((folder / "files").as_uri())
        self.archive = JobArchive(records)
        self.alerts = SearchableDocuments(records, ALERTS, tables.alerts)
        self.documents = SearchableDocuments(records, TICKETS, tables.tickets)
        self.shelf = Shelf(records, self.documents, definitions.state)
        people = Everybody(_Accounts())
        self.notices = Notices(
            self.shelf, definitions.state, self.post, people, settings, lambda kind, id: id
        )
        signals = Signals()
        signals.publish = self._see  # type: ignore[method-assign]
        self.tickets = Tickets(
            self.shelf,
            definitions,
            people,
            Attachments(self.files, settings),
            self.notices,
            StoredBonds(self.archive, lambda: None, self.alerts),
            signals,
            settings,
            server_exists=self._server_exists,
            spawn=self.spawned.append,
        )

    def _see(self, signal: Signal) -> None:
        assert isinstance(signal, TicketChanged)
        self.seen.append(signal)

    async def _server_exists(self, server_id: str) -> bool:
        return server_id == "s1"

    def upload(self, name: str, content: bytes) -> Upload:
        path = self.folder / f"upload-{len(list(self.folder.iterdir()))}"
        path.write_bytes(content)
        return Upload(path, name, len(content))

    async def background(self) -> None:
        """Do what was left for after the answer."""
        while self.spawned:
            await self.spawned.pop(0)


class _Accounts:
    def get(self, username: str, /) -> Mapping[str, Any] | None:
        return USERS.get(username)


async def opened(records: Records, settings: Settings, folder: Path) -> Desk:
    """Tickets as a new primary finds them."""
    definitions = Definitions(records, Signals())
    await definitions.load()
    await seed(definitions)
    return Desk(records, definitions, settings, folder)


@pytest.fixture
async def desk(records: Records, settings: Settings, tmp_path: Path) -> AsyncIterator[Desk]:
    one = await opened(records, settings, tmp_path)
    yield one
    for work in one.spawned:
        work.close()
