"""The services of the room over a real database, with a term that is under way."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import InternalJob
from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.live.connection import connect
from conductor.live.keys import keys
from conductor.records import tables
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import ALERTS, SERVERS, SNAPSHOTS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import Activity, Actor, Signal
from tests.databases import database_url, postgres, records

__all__ = ["database_url", "postgres", "records"]


@dataclass
class Seat:
    primary: bool = True
    primary_host: str = "here"


@dataclass
class Screens:
    """Browsers that remember what they were told."""

    told: list[tuple[str, Any]] = field(default_factory=list)

    def notify(self, usernames: Any, data: Any) -> None:
        self.told.append(("notify", data))

    def broadcast(self, cmd: str, data: Any) -> None:
        self.told.append((cmd, data))


@dataclass
class House:
    services: Administration
    archive: JobArchive
    files: Files
    records: Records
    screens: Screens
    settings: Settings
    seen: list[Signal] = field(default_factory=list)

    async def ended(self, job_id: str) -> dict[str, Any]:
        """An internal job's last words."""
        async with asyncio.timeout(20):
            while True:
                for signal in self.seen:
                    if isinstance(signal, Activity) and signal.payload.get("job", {}).get("id") == job_id:
                        return dict(signal.payload["job"])
                await asyncio.sleep(0.005)


async def _no_work(reason: str, actor: Actor, job: InternalJob) -> None:
    job.details = "nothing was running"


@pytest.fixture
async def house(records: Records, tmp_path: Path) -> AsyncIterator[House]:
    settings, signals = Settings(hostname="here"), Signals()
    archive = JobArchive(records)
    files = Files.open((tmp_path / "files").as_uri())
    definitions = Definitions(records, signals)
    await definitions.load()
    users = Users(records)
    await users.save({"username": "admin", "password": "", "privileges": {"admin": True}})
    services = Administration(
        records=records,
        archive=archive,
        servers=SearchableDocuments(records, SERVERS, tables.servers),
        alerts=SearchableDocuments(records, ALERTS, tables.alerts),
        snapshots=SearchableDocuments(records, SNAPSHOTS, tables.snapshots),
        files=files,
        definitions=definitions,
        users=users,
        sessions=Sessions(records, settings),
        signals=signals,
        settings=settings,
        base=Settings(hostname="here"),
        redis=connect(f"unix://{tmp_path}/none"),
        keys=keys("t"),
        seat=Seat(),
        version="0.0.0",
        data_dir=tmp_path,
        requests=lambda: 0,
        active_jobs=lambda: 0,
        groups_of=lambda server_id: ["main"],
        delete_job=archive.delete,
        interrupt=_no_work,
    )
    screens = Screens()
    services.jobs.browsers = screens
    made = House(services, archive, files, records, screens, settings)

    async def see(signal: Signal) -> None:
        made.seen.append(signal)

    signals.subscribe("test", see)
    await services.begin()
    running = [asyncio.create_task(signals.run()), asyncio.create_task(services.jobs.run())]
    await asyncio.sleep(0)
    yield made
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
