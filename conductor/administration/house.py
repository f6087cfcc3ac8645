"""All services of this room, built from what the composition root has."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from conductor.access.sessions import Sessions
from conductor.access.users import PREFERENCES, Users
from conductor.administration.backup import cronicle
from conductor.administration.backup.export import Export
from conductor.administration.backup.importing import Import, lines_of
from conductor.administration.backup.kept import (
    FileSection,
    HostSection,
    Sections,
    StateSection,
    UserSection,
)
from conductor.administration.backup.lists import Lists
from conductor.administration.backup.undo import Journal, TakingBack, Undo
from conductor.administration.collections import Collections
from conductor.administration.conductors import Conductors, Seat
from conductor.administration.internal_jobs import InternalJob, InternalJobs
from conductor.administration.maintenance import Maintenance
from conductor.administration.marketplace import Marketplace
from conductor.administration.overrides import Overrides
from conductor.administration.releases import Releases
from conductor.administration.shared_overrides import SharedOverrides
from conductor.administration.statistics import Statistics
from conductor.administration.sweeps import Sweeps
from conductor.administration.transfer_tokens import TransferTokens
from conductor.administration.upkeep import Upkeep
from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.live.keys import Keys
from conductor.records import tables
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import ACTIVITY, TICKETS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import Actor
from shared.clock import now

_SETTLE_SECONDS = 5.0

log = structlog.get_logger(__name__)

Interrupt = Callable[[str, Actor, InternalJob], Awaitable[None]]
"""Switch the scheduler off, and where the reason is not empty abort all jobs and wait for their end."""


class Administration:
    """Attributes are the services. `run_term` is a term's; `run` the process's."""

    def __init__(
        self,
        *,
        records: Records,
        archive: JobArchive,
        servers: SearchableDocuments,
        alerts: SearchableDocuments,
        snapshots: SearchableDocuments,
        files: Files,
        definitions: Definitions,
        users: Users,
        sessions: Sessions,
        signals: Signals,
        settings: Settings,
        base: Settings,
        redis: Redis,
        keys: Keys,
        seat: Seat,
        version: str,
        data_dir: Path,
        requests: Callable[[], int],
        active_jobs: Callable[[], int],
        groups_of: Callable[[str], list[str]],
        delete_job: Callable[[str], Awaitable[object]],
        interrupt: Interrupt,
    ) -> None:
        self.version = version
        self.settings = settings
        self.definitions = definitions
        self.users = users
        self.sessions = sessions
        self.signals = signals
        self.interrupt = interrupt
        self.log_folder = data_dir / "logs"
        self._records = records
        self._files = files
        self.collections = Collections(
            archive,
            {
                "alerts": alerts,
                "snapshots": snapshots,
                "servers": servers,
                "activity": SearchableDocuments(records, ACTIVITY, tables.activity),
                "tickets": SearchableDocuments(records, TICKETS, tables.tickets),
            },
        )
        self.collections.deletes("jobs", delete_job)
        self.jobs = InternalJobs(signals)
        self.statistics = Statistics(
            records,
            lambda: settings.tz,
            requests=requests,
            active_jobs=active_jobs,
            groups_of=groups_of,
            event_of=lambda event_id: definitions.get("events", event_id),
        )
        self.sweeps = Sweeps(self.collections, self.jobs, settings)
        self.sweeps.deleted = self._deleted
        self.maintenance = Maintenance(self.jobs, definitions.state, settings)
        self.maintenance.register("expired sessions", sessions.purge)
        for name in self.collections.names:
            self.maintenance.register(f"{name} beyond what is kept", partial(self.sweeps.trim, name))
        self.journal = Journal(records)
        self.rereads: list[Callable[[], Awaitable[None]]] = []
        """What other rooms remember of the stores is read anew by these, when data was exchanged beneath them."""
        shared = SharedOverrides(records, settings.secret_keys)
        self.overrides = Overrides(data_dir / "overrides.json", settings, base, shared)
        self.conductors = Conductors(redis, keys, settings, seat, version, signals)
        self.tokens = TransferTokens()
        self.upkeep = Upkeep(records, self.collections)
        self.sections = Sections(
            (
                UserSection(users, files),
                HostSection(records),
                StateSection(definitions.state),
                FileSection(files),
                FileSection(files, "files/bucket/"),
                FileSection(files, "logs/jobs/"),
            )
        )
        self.export = Export(
            definitions, records, self.collections, self.sections, files, self.statistics, settings.host_id()
        )
        self.marketplace = Marketplace(settings, data_dir / "temp", self._installed)
        self.releases = Releases(settings, data_dir / "temp")
        self.staging = data_dir / "temp"

    def importing(self, *, dry_run: bool, merge: bool = False) -> Import:
        """A new import. `reload` when something was stored."""
        lists = Lists(self.definitions, self._records)
        kept = (self.sections, self.definitions, self._records, self.collections, self.statistics)
        undo = None if dry_run else Undo(self.journal, *kept)
        return Import(
            self.collections,
            self.sections,
            lists,
            self.statistics,
            self._files,
            dry_run=dry_run,
            undo=undo,
            merge=merge,
        )

    async def from_cronicle(self, file: Path, converted: Path, username: str) -> list[str]:
        """Write a Cronicle export as one of ours; what has no counterpart, in words. Raises Refusal `admin`."""
        around = cronicle.Surroundings(
            plugins=self.definitions.all("plugins"),
            web_hooks=self.definitions.all("web_hooks"),
            servers={
                str(server["hostname"]): str(server["id"])
                for server in await self.collections.documents["servers"].all()
                if server.get("hostname")
            },
            preferences=PREFERENCES,
            username=username,
            tz=self.settings.tz,
            now=int(now()),
        )

        def convert() -> list[str]:
            try:
                found = cronicle.read(line for _, line in lines_of(file))
            except (OSError, EOFError, zlib.error) as error:
                raise Refusal("admin", f"The file cannot be read: {error}") from None
            lines, remarks = cronicle.lines_of(found, around)
            with converted.open("wb") as stream:
                stream.writelines(lines)
            return remarks

        return await asyncio.to_thread(convert)

    async def take_back(self) -> int:
        """Put back what an import has replaced that was not completed; how many things. Raises Unavailable."""
        kept = (self.sections, self.definitions, self._records, self.collections, self.statistics)
        count = await TakingBack(self.journal, *kept).run()
        await self.reload()
        return count

    async def settle(self) -> None:
        """A term has begun: an import that an earlier one did not complete is taken back, in the background.

        Returns when that has been started; what else works on all data is waited for.
        """

        async def work(job: InternalJob) -> None:
            count = await self.take_back()
            job.details = f"An import was broken off: {count} changes of it were taken back."

        while True:
            try:
                if await self.journal.any():
                    self.jobs.start("Take back an import", "maint", work, username="", exclusive=True)
            except Refusal as refusal:
                log.info("an import that was broken off is taken back later", reason=refusal.description)
            else:
                return
            await asyncio.sleep(_SETTLE_SECONDS)

    async def reload(self) -> None:
        """Definitions, users and what is remembered of searches are read anew (after_data_change)."""
        await self.definitions.load()
        await self.users.load()
        self.collections.forget()
        for reread in self.rereads:
            try:
                await reread()
            except (Refusal, KeyError, TypeError, ValueError):  # what was exchanged stands all the same
                log.exception("a part of the house did not read its data anew")

    async def delete_list(self, name: str) -> int:
        """Every item of a list of definitions, known to this version or not; how many there were."""
        lists = Lists(self.definitions, self._records)
        lists.empty(name)
        count = len(self.definitions.all(name)) if name in self.definitions.kinds else 0
        await lists.store(name)
        return count

    def follow(self, row: Mapping[str, Any]) -> None:
        """A row was added to the activity log."""
        self.statistics.follow(row)
        self.collections.documents["activity"].forget()

    def forget(self) -> None:
        """A term has ended, or begins."""
        self.collections.forget()
        self.tokens.forget()

    async def begin(self) -> None:
        """A term begins. Raises Unavailable."""
        await self.overrides.begin()
        await self.statistics.load()

    def _deleted(self, index: str, record: Mapping[str, Any]) -> None:
        if index == "jobs":
            self.statistics.take_back(record)

    def _installed(self) -> set[str]:
        plugins = self.definitions.all("plugins")
        origins = (plugin.get("marketplace") for plugin in plugins)
        return {str(origin.get("id")) for origin in origins if isinstance(origin, dict)}
