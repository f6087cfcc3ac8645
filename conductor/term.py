"""One term of a primary: what it loads, opens and closes, in order."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog
from redis.asyncio import Redis

from conductor.access.key_usage import KeyUsage
from conductor.access.users import Users
from conductor.api.office import Office
from conductor.definitions.defaults import seed
from conductor.definitions.repository import Definitions
from conductor.errors import Deposed
from conductor.fleet.browsers import Browsers
from conductor.fleet.credentials import Credentials
from conductor.fleet.joining import Joining
from conductor.fleet.members import Members
from conductor.fleet.roster import Roster
from conductor.fleet.sockets import Sockets
from conductor.jobs.engine import JobEngine
from conductor.leadership import Leadership
from conductor.live.book import JobBook
from conductor.live.keys import Keys
from conductor.monitoring.samples import Samples
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import LeadershipChanged, Signals

RETURN_SECONDS = 75.0
"""After a take-over jobs wait this long for satellites that were known before to come back.

More than the minute after which a satellite gives up a primary that fell silent without closing its sockets.
"""

log = structlog.get_logger(__name__)


class Term:
    """The engine and the door of one term; sockets and API reach them through it."""

    def __init__(self, engine: JobEngine, joining: Joining) -> None:
        self.engine = engine
        self.joining = joining


class Primary:
    """What this conductor does while it holds the lease; `serve` is the office given to Leadership."""

    def __init__(
        self,
        *,
        redis: Redis,
        keys: Keys,
        leadership: Leadership,
        records: Records,
        definitions: Definitions,
        users: Users,
        archive: JobArchive,
        files: Files,
        servers: Documents,
        roster: Roster,
        samples: Samples,
        sockets: Sockets,
        office: Office,
        settings: Settings,
        signals: Signals,
        data_dir: Path,
        announce_password: Callable[[str], None],
        key_usage: KeyUsage,
        browsers: Browsers,
        credentials: Credentials,
        forget: Sequence[Callable[[], None]],
    ) -> None:
        """`forget` drops what is remembered of the stores: between two terms of ours others may change them."""
        self._redis = redis
        self._keys = keys
        self._leadership = leadership
        self._records = records
        self._definitions = definitions
        self._users = users
        self._archive = archive
        self._files = files
        self._servers = servers
        self._roster = roster
        self._samples = samples
        self._sockets = sockets
        self._office = office
        self._settings = settings
        self._signals = signals
        self._data_dir = data_dir
        self._announce_password = announce_password
        self._key_usage = key_usage
        self._browsers = browsers
        self._credentials = credentials
        self._forget = forget

    async def serve(self, epoch: int) -> None:
        """Read everything, open for callers and satellites, and act until cancelled."""
        try:
            await self._records.begin_term(epoch)
        except Deposed:
            await self._leadership.go_on_from(await self._records.epoch())
            raise
        self._forget_everything()
        async with asyncio.TaskGroup() as loading:  # the first password's hash takes a while
            loading.create_task(self._load_definitions())
            loading.create_task(self._load_users())
            loading.create_task(self._credentials.load())
        book = JobBook(self._redis, self._keys, epoch, holds_lease=lambda: self._leadership.holds_lease)
        await book.load()
        engine = JobEngine(
            book,
            self._archive,
            self._files,
            self._definitions,
            self._definitions.state,
            self._roster,
            self._settings,
            self._signals,
            self._data_dir,
        )
        joining = Joining(
            self._roster,
            self._servers,
            self._definitions,
            self._settings,
            self._signals,
            self._credentials,
            self._sockets.refusals,
        )
        known = await self._servers.all()
        self._roster.expect({str(server["id"]): server for server in known}, RETURN_SECONDS)
        members = Members(self._roster, joining, self._definitions)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(engine.run(), name="job engine")
                group.create_task(members.run(), name="fleet members")
                group.create_task(self._key_usage.run(), name="use of API keys")
                await engine.ready.wait()
                self._office.open(engine)
                self._browsers.engine = engine
                self._sockets.term = Term(engine, joining)
                self._leadership.took_office()
                self._announce(epoch, primary=True)
        finally:
            self._office.close()
            self._browsers.engine = None
            await self._sockets.close_all()
            if self._leadership.holds_lease:  # a clean stop
                await self._samples.flush()
                await self._key_usage.flush()
            self._forget_everything()
            self._announce(epoch, primary=False)

    def _forget_everything(self) -> None:
        for forget in self._forget:
            forget()

    async def _load_definitions(self) -> None:
        await self._definitions.load()
        await seed(self._definitions)

    async def _load_users(self) -> None:
        generated = await self._users.ensure_admin(self._settings.admin_password)
        if generated:
            self._announce_password(generated)

    def _announce(self, epoch: int, *, primary: bool) -> None:
        host = self._settings.host_id()
        self._signals.publish(LeadershipChanged(host=host, primary=primary, epoch=epoch))
        log.info("office taken" if primary else "office left", host=host, epoch=epoch)
