"""One term of a primary: what it loads, opens and closes, in order."""

import asyncio
from collections.abc import Callable

import structlog

from conductor.actions.plugin_process import PluginProcesses
from conductor.actions.runner import Actions
from conductor.actions.surroundings import Surroundings
from conductor.composition.rooms import Rooms
from conductor.definitions.defaults import seed
from conductor.errors import Deposed
from conductor.fleet.joining import Joining
from conductor.fleet.members import Members
from conductor.jobs.engine import JobEngine
from conductor.jobs.for_actions import JobsForActions
from conductor.jobs.for_workflows import JobsForWorkflows
from conductor.jobs.ports import Ports as JobPorts
from conductor.live.book import JobBook
from conductor.scheduled_jobs import ScheduledJobs
from conductor.signals import LeadershipChanged
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

    def __init__(self, rooms: Rooms, announce_password: Callable[[str], None]) -> None:
        """`announce_password` is told the first administrator's password when it had to be made up."""
        self._rooms = rooms
        self._announce_password = announce_password

    async def serve(self, epoch: int) -> None:
        """Read everything, open for callers and satellites, and act until cancelled."""
        await self._begin(epoch)
        rooms, ground, fleet = self._rooms, self._rooms.ground, self._rooms.fleet
        alerting, house = rooms.monitoring.alerting, rooms.house
        lease = ground.leadership
        book = JobBook(ground.redis, ground.keys, epoch, holds_lease=lambda: lease.holds_lease)
        await book.load()
        processes = PluginProcesses(ground.settings.action_processes)
        engine, actions = self._engine(book, processes)
        joining = Joining(
            ground.roster,
            ground.servers,
            ground.definitions,
            ground.settings,
            ground.signals,
            fleet.credentials,
            fleet.sockets.refusals,
            ground.secrets.of_plugin,
        )
        known = await ground.servers.all()
        ground.roster.expect({str(server["id"]): server for server in known}, RETURN_SECONDS)
        await alerting.load(known)
        members = Members(ground.roster, joining, ground.definitions, fleet.server_changes.regroup_offline)
        try:
            async with asyncio.TaskGroup() as group:
                for duty, name in (
                    (engine.run(), "job engine"),
                    (members.run(), "fleet members"),
                    (alerting.run(), "alerts"),
                    (rooms.monitoring.purge.run(), "deleted alerts"),
                    (rooms.monitoring.watches.run(), "watches"),
                    (fleet.removals.run(), "deleted servers"),
                    (rooms.access.key_usage.run(), "use of API keys"),
                    (house.jobs.run(), "internal jobs"),
                    (house.statistics.run(), "statistics"),
                    (house.maintenance.run(), "maintenance"),
                ):
                    group.create_task(duty, name=name)
                await engine.ready.wait()
                ground.office.open(engine, actions)
                fleet.browsers.engine = engine
                fleet.sockets.term = Term(engine, joining)
                lease.took_office()
                self._announce(epoch, primary=True)
                group.create_task(rooms.ticketing.notices.run(), name="ticket mail")
                schedule = rooms.timekeeper.run(ScheduledJobs(engine), book.firings)
                group.create_task(schedule, name="schedule")
        finally:
            ground.office.close()
            fleet.browsers.engine = None
            processes.close()
            await fleet.sockets.close_all()
            if lease.holds_lease:  # a clean stop
                await rooms.monitoring.samples.finish()
                await alerting.flush()
                await rooms.access.key_usage.flush()
                await house.statistics.flush()
            rooms.forget()
            self._announce(epoch, primary=False)

    async def _begin(self, epoch: int) -> None:
        """Take the database for this term and load what is kept in memory."""
        rooms, ground = self._rooms, self._rooms.ground
        try:
            await ground.records.begin_term(epoch)
        except Deposed:
            await ground.leadership.go_on_from(await ground.records.epoch())
            raise
        rooms.forget()
        async with asyncio.TaskGroup() as loading:  # the first password's hash takes a while
            loading.create_task(self._load_definitions())
            loading.create_task(self._load_users())
            loading.create_task(rooms.house.begin())
            loading.create_task(rooms.fleet.credentials.load())

    def _engine(self, book: JobBook, processes: PluginProcesses) -> tuple[JobEngine, Actions]:
        """The job engine over `book`, with the actions and workflows that it calls and that call it."""
        rooms, ground = self._rooms, self._rooms.ground
        settings, definitions = ground.settings, ground.definitions
        around = Surroundings(definitions, settings, book, ground.roster.record)
        for_actions = JobsForActions(book, settings.host_id())
        actions = Actions(book, around, rooms.action_ports, processes, for_actions, ground.signals)
        for_workflows = JobsForWorkflows(settings.host_id(), ground.signals)
        workflows = Workflows(
            book,
            ground.archive,
            definitions.get,
            for_workflows,
            actions,
            for_workflows,
            most_jobs=settings.max_jobs_per_workflow,
            note=for_workflows.note,
        )
        engine = JobEngine(
            book,
            ground.archive,
            ground.files,
            definitions,
            definitions.state,
            ground.roster,
            settings,
            ground.signals,
            ground.data_dir,
            ports=JobPorts(
                alerts=rooms.monitoring.active_alerts,
                actions=actions,
                notices=actions,
                suspension=actions.suspension,
                graphs=workflows,
            ),
        )
        for_actions.open(engine)
        for_workflows.open(engine)
        rooms.monitoring.alerting.owing.actions = actions
        return engine, actions

    async def _load_definitions(self) -> None:
        definitions = self._rooms.ground.definitions
        await definitions.load()
        await seed(definitions)

    async def _load_users(self) -> None:
        password = self._rooms.ground.settings.admin_password
        generated = await self._rooms.access.users.ensure_admin(password)
        if generated:
            self._announce_password(generated)

    def _announce(self, epoch: int, *, primary: bool) -> None:
        ground = self._rooms.ground
        host = ground.settings.host_id()
        ground.signals.publish(LeadershipChanged(host=host, primary=primary, epoch=epoch))
        log.info("office taken" if primary else "office left", host=host, epoch=epoch)
