"""One term of a primary: what it loads, opens and closes, in order."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import structlog
from redis.asyncio import Redis

from conductor.access.key_usage import KeyUsage
from conductor.access.users import Users
from conductor.actions.plugin_process import PluginProcesses
from conductor.actions.ports import Ports as ActionPorts
from conductor.actions.runner import Actions
from conductor.actions.surroundings import Surroundings
from conductor.administration.house import Administration
from conductor.api.office import Office
from conductor.audit.chronicle import keep_up
from conductor.definitions.defaults import seed
from conductor.definitions.repository import Definitions
from conductor.errors import Deposed
from conductor.fleet.browsers import Browsers
from conductor.fleet.changes import ServerChanges
from conductor.fleet.credentials import Credentials
from conductor.fleet.joining import Joining, SecretsOfPlugin
from conductor.fleet.members import Members
from conductor.fleet.removal import Removals
from conductor.fleet.roster import Roster
from conductor.fleet.sockets import Sockets
from conductor.jobs.engine import JobEngine
from conductor.jobs.for_actions import JobsForActions
from conductor.jobs.for_workflows import JobsForWorkflows
from conductor.jobs.ports import Ports as JobPorts
from conductor.leadership import Leadership
from conductor.live.book import JobBook
from conductor.live.keys import Keys
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.alerting import Alerting
from conductor.monitoring.alerts.purge import Purge
from conductor.monitoring.samples import Samples
from conductor.monitoring.watches import Watches
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records
from conductor.schedule.timekeeper import Timekeeper
from conductor.scheduled_jobs import ScheduledJobs
from conductor.settings import Settings
from conductor.signals import Actor, LeadershipChanged, Signals
from conductor.workflows.driver import Workflows

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
        servers: SearchableDocuments,
        roster: Roster,
        samples: Samples,
        sockets: Sockets,
        office: Office,
        timekeeper: Timekeeper,
        settings: Settings,
        signals: Signals,
        data_dir: Path,
        announce_password: Callable[[str], None],
        key_usage: KeyUsage,
        browsers: Browsers,
        alerting: Alerting,
        purge: Purge,
        watches: Watches,
        removals: Removals,
        server_changes: ServerChanges,
        credentials: Credentials,
        forget: Sequence[Callable[[], None]],
        secrets_of_plugin: SecretsOfPlugin,
        house: Administration,
        action_ports: ActionPorts,
        active_alerts: ActiveAlerts,
        duties: Sequence[tuple[str, Callable[[], Coroutine[Any, Any, None]]]] = (),
    ) -> None:
        """`duties` run during each term, under these names.

        `forget` drops what is remembered of the stores: between two terms of ours others may change them.
        """
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
        self._timekeeper = timekeeper
        self._settings = settings
        self._signals = signals
        self._data_dir = data_dir
        self._announce_password = announce_password
        self._key_usage = key_usage
        self._browsers = browsers
        self._alerting = alerting
        self._purge = purge
        self._watches = watches
        self._removals = removals
        self._server_changes = server_changes
        self._credentials = credentials
        self._forget = forget
        self._duties = duties
        self._action_ports = action_ports
        self._active_alerts = active_alerts
        self._house = house
        self._secrets_of_plugin = secrets_of_plugin

    async def serve(self, epoch: int) -> None:
        """Read everything, open for callers and satellites, and act until cancelled."""
        try:
            taken = self._signals.events(self._leadership_signal(epoch, primary=True))
            await self._records.begin_term(epoch, taken)
        except Deposed:
            await self._leadership.go_on_from(await self._records.epoch())
            raise
        self._forget_everything()
        async with asyncio.TaskGroup() as loading:  # the first password's hash takes a while
            loading.create_task(self._load_definitions())
            loading.create_task(self._load_users())
            loading.create_task(self._house.begin())
            loading.create_task(self._credentials.load())
        book = JobBook(self._redis, self._keys, epoch, holds_lease=lambda: self._leadership.holds_lease)
        await book.load()
        around = Surroundings(self._definitions, self._settings, book, self._roster.record)
        processes = PluginProcesses(self._settings.action_processes)
        for_actions = JobsForActions(book, self._settings.host_id())
        actions = Actions(book, around, self._action_ports, processes, for_actions, self._signals)
        for_workflows = JobsForWorkflows(self._settings.host_id())
        workflows = Workflows(
            book,
            self._archive,
            self._definitions.get,
            for_workflows,
            actions,
            for_workflows,
            most_jobs=self._settings.max_jobs_per_workflow,
            note=for_workflows.note,
        )
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
            ports=JobPorts(
                alerts=self._active_alerts,
                actions=actions,
                notices=actions,
                suspension=actions.suspension,
                graphs=workflows,
            ),
        )
        for_actions.open(engine)
        self._alerting.owing.actions = actions
        for_workflows.open(engine)
        joining = Joining(
            self._roster,
            self._servers,
            self._definitions,
            self._settings,
            self._signals,
            self._credentials,
            self._sockets.refusals,
            self._secrets_of_plugin,
        )
        known = await self._servers.all()
        self._roster.expect({str(server["id"]): server for server in known}, RETURN_SECONDS)
        await self._alerting.load(known)
        regroup_offline = self._server_changes.regroup_offline
        members = Members(self._roster, joining, self._definitions, regroup_offline)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(engine.run(), name="job engine")
                group.create_task(keep_up(book, self._records), name="event log")
                group.create_task(members.run(), name="fleet members")
                group.create_task(self._alerting.run(), name="alerts")
                group.create_task(self._purge.run(), name="deleted alerts")
                group.create_task(self._watches.run(), name="watches")
                group.create_task(self._removals.run(), name="deleted servers")
                group.create_task(self._key_usage.run(), name="use of API keys")
                group.create_task(self._house.jobs.run(), name="internal jobs")
                group.create_task(self._house.statistics.run(), name="statistics")
                group.create_task(self._house.maintenance.run(), name="maintenance")
                await engine.ready.wait()
                self._office.open(engine, actions)
                self._browsers.engine = engine
                self._sockets.term = Term(engine, joining)
                self._leadership.took_office()
                self._announce(epoch, primary=True)
                for name, duty in self._duties:
                    group.create_task(duty(), name=name)
                schedule = self._timekeeper.run(ScheduledJobs(engine), book.firings)
                group.create_task(schedule, name="schedule")
        finally:
            self._office.close()
            self._browsers.engine = None
            processes.close()
            await self._sockets.close_all()
            if self._leadership.holds_lease:  # a clean stop
                await self._samples.finish()
                await self._alerting.flush()
                await self._key_usage.flush()
                await self._house.statistics.flush()
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

    def _leadership_signal(self, epoch: int, *, primary: bool) -> LeadershipChanged:
        host = self._settings.host_id()
        return LeadershipChanged(host=host, primary=primary, epoch=epoch, actor=Actor(kind="system", id=host))

    def _announce(self, epoch: int, *, primary: bool) -> None:
        host = self._settings.host_id()
        publish = self._signals.publish_logged if primary else self._signals.publish
        publish(self._leadership_signal(epoch, primary=primary))
        log.info("office taken" if primary else "office left", host=host, epoch=epoch)
