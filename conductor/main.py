"""The composition root: builds every part of a conductor, starts and stops them in order.

opsorbit-conductor --data-dir DIR --port N --config FILE
"""

import argparse
import asyncio
import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO

import structlog
import uvloop
from aiohttp import web

from conductor import logs
from conductor.access.accounts import Accounts
from conductor.access.avatars import Avatars
from conductor.access.changes import AccountChanges
from conductor.access.key_usage import KeyUsage
from conductor.access.post import Post
from conductor.access.recovery import Recovery
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.sso import logout_url
from conductor.access.users import Users
from conductor.actions.condition_hooks import ConditionHooks
from conductor.actions.failures import FailedActions
from conductor.actions.ports import Ports as ActionPorts
from conductor.administration.backup.sealed import SecretSection
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import InternalJob
from conductor.administration.rotation import Rotation
from conductor.api import (
    actions,
    api_keys,
    bucket_definitions,
    buckets,
    categories,
    channels,
    event_history,
    explain,
    job_control,
    job_logs,
    job_stream,
    job_summaries,
    jobs,
    magic,
    misc,
    monitors,
    multiple,
    references,
    revisions,
    run_event,
    satellite_keys,
    satellites,
    scheduler_plugins,
    servers,
    workflows,
)
from conductor.api import avatars as avatar_calls
from conductor.api import definitions as definitions_api
from conductor.api import event_log as events_api
from conductor.api import files as files_api
from conductor.api import mail as mail_api
from conductor.api import secrets as secrets_api
from conductor.api import tickets as tickets_api
from conductor.api import web_hooks as web_hooks_api
from conductor.api.administration import endpoints as administration_endpoints
from conductor.api.alerts import AlertCalls
from conductor.api.health import Health
from conductor.api.job_texts import ActiveJobTexts
from conductor.api.kernel import Kernel
from conductor.api.metrics import Metrics
from conductor.api.office import Office
from conductor.api.openapi import OpenApi
from conductor.api.patience import PatientServer
from conductor.api.registry import Registry
from conductor.api.satellite_files import SatelliteFiles
from conductor.api.server_jobs import ServerJobs
from conductor.api.sessions import SessionCalls
from conductor.api.signed_urls import UrlSigner
from conductor.api.snapshots import SnapshotCalls
from conductor.api.sso import SsoDoor
from conductor.api.user_admin import UserAdminCalls
from conductor.api.users import UserCalls
from conductor.audit.activity import ActivityLog
from conductor.audit.chronicle import Chronicle, described
from conductor.audit.event_log import EventLog
from conductor.definitions.key_file import KeyFile
from conductor.definitions.repository import Definitions
from conductor.definitions.vault import Secrets, Vault
from conductor.errors import Refusal
from conductor.filing.bucket_contents import BucketContents
from conductor.filing.buckets import Buckets
from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import JobFiles
from conductor.filing.limits import bucket_uploads, job_uploads
from conductor.filing.section import BucketSection
from conductor.filing.user_files import UserFiles
from conductor.fleet.browser_door import BrowserDoor
from conductor.fleet.browser_picture import Picture
from conductor.fleet.browsers import Browsers
from conductor.fleet.changes import ServerChanges
from conductor.fleet.credentials import Credentials
from conductor.fleet.enrolment import Enrolment
from conductor.fleet.removal import Removals
from conductor.fleet.roster import Roster
from conductor.fleet.sockets import Sockets
from conductor.jobs.deletion import Deletion
from conductor.jobs.interruption import interrupt
from conductor.leadership import Leadership
from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis, RedisMissing
from conductor.live.keys import keys
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.alerting import Alerting
from conductor.monitoring.alerts.purge import Purge
from conductor.monitoring.alerts.store import AlertStore
from conductor.monitoring.quick import QuickMonitors
from conductor.monitoring.retention import Retention
from conductor.monitoring.samples import Samples
from conductor.monitoring.snapshots import Snapshots
from conductor.monitoring.watches import Watches
from conductor.outbound.daily import DailyCounts
from conductor.outbound.fetch import Fetch
from conductor.outbound.http import HttpClient
from conductor.outbound.mail import Mailer
from conductor.outbound.system_hooks import SystemHooks
from conductor.outbound.web_hooks import WebHooks
from conductor.packages.store import Packages
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import ALERTS, SERVERS, SNAPSHOTS
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records, SchemaError
from conductor.schedule.plugin_files import GivenFiles
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.timekeeper import Timekeeper
from conductor.settings import Settings, SettingsError, load
from conductor.signals import (
    SYSTEM,
    ActionRun,
    Activity,
    Actor,
    DefinitionChanged,
    JobConditionMet,
    Signals,
)
from conductor.term import Primary
from conductor.tickets.attachments import Attachments
from conductor.tickets.bonds import StoredBonds
from conductor.tickets.job_facts import StoredFacts
from conductor.tickets.notices import Notices
from conductor.tickets.people import Everybody
from conductor.tickets.shelf import Shelf
from conductor.tickets.tickets import Tickets
from conductor.tls import server_context
from shared import clock

STOP_SECONDS = 5.0

log = structlog.get_logger("conductor")


def main() -> None:
    """Entry point of `opsorbit-conductor`. Exit status 0 after a clean stop, 1 when it could not start."""
    parser = argparse.ArgumentParser(prog="opsorbit-conductor", description="The OpsOrbit conductor.")
    parser.add_argument("--data-dir", type=Path, default=Path("opsorbit-data"), help="everything it keeps")
    parser.add_argument("--port", type=int, help="HTTP port (default 5522)")
    parser.add_argument("--config", type=Path, help="settings, TOML or JSON")
    parser.add_argument("--version", action="version", version=version("opsorbit"))
    arguments = parser.parse_args()
    try:
        data_dir = arguments.data_dir.resolve()
        base = load(arguments.config, port=arguments.port)
        settings = load(arguments.config, port=arguments.port, overrides=data_dir / "overrides.json")
        logs.configure(settings)
        # SQLite gives up the interpreter's lock at every row, and a busy event loop would keep it for the
        # default 5 ms each time: 240 rows took 800 ms instead of 25.
        sys.setswitchinterval(0.0005)
        restart = uvloop.run(serve(settings, data_dir, base))
    except (SettingsError, SchemaError, RedisMissing, Refusal, OSError) as error:
        # One line, whatever a driver has to say.
        print(f"opsorbit-conductor: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)
    if restart:
        os.execv(sys.executable, [sys.executable, "-m", "conductor.main", *sys.argv[1:]])  # noqa: S606


async def serve(settings: Settings, data_dir: Path, base: Settings | None = None) -> bool:
    """Run a conductor in `data_dir` until SIGTERM or SIGINT; whether it is to be started again.

    `base`: the settings without what administrators have changed.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    (data_dir / "uploads").mkdir(mode=0o700, exist_ok=True)
    lock = _lock(data_dir)
    settings.secret_key = settings.secret_key or _own(data_dir / "secret_key")
    logs.configure(settings, data_dir / "logs")
    stopping = asyncio.Event()
    restarts: list[bool] = []

    def stop(restart: bool) -> None:
        restarts.append(restart)
        stopping.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with _running(settings, data_dir, base or settings, stop):
        await stopping.wait()
        log.info("stopping")
    lock.close()
    return restarts[:1] == [True]


@asynccontextmanager
async def _running(
    settings: Settings, data_dir: Path, base: Settings, stop: Callable[[bool], None]
) -> AsyncIterator[None]:
    """All parts, started; stopped in reverse order on leaving."""
    async with contextlib.AsyncExitStack() as stack:
        strict = settings.durability == "strict"
        database_url = settings.database_url or f"sqlite:///{data_dir / 'opsorbit.db'}"
        embedded = None if settings.redis_url else EmbeddedRedis(data_dir / "redis", strict=strict)
        if embedded:
            stack.push_async_callback(embedded.stop)
        starting = asyncio.create_task(embedded.start()) if embedded else None
        try:
            records = await Records.open(database_url, strict=strict)
            stack.push_async_callback(records.close)
        finally:
            if starting:  # to its end in any case, or its server would be left behind
                await starting
        if embedded:
            await stack.enter_async_context(_task(embedded.watch(), "embedded redis"))
        redis = connect(embedded.url if embedded else settings.redis_url)
        stack.push_async_callback(redis.aclose)
        names = keys(settings.redis_prefix)

        files = Files.open(settings.files_url or (data_dir / "files").as_uri())
        archive = JobArchive(records)
        stored_servers = SearchableDocuments(records, SERVERS, tables.servers)

        release = version("opsorbit")
        roster = Roster(release)
        signals = Signals(described)
        activity = ActivityLog(records)
        signals.subscribe("activity log", activity.observe)
        chronicle = Chronicle(records)
        signals.subscribe("event log", chronicle.observe, unlogged=True)
        event_log = EventLog(records)
        failed_actions = FailedActions(records, settings.max_failed_actions)
        signals.subscribe("failed actions", failed_actions.observe, ActionRun)
        office = Office()
        vault = await _vault(records, settings, data_dir)
        definitions = Definitions(
            records, signals, active_jobs=office.count_of_event, apart={"secrets": vault}
        )
        expiry = FileExpiry(records, files)
        of_jobs = job_uploads(settings.client)
        job_files = JobFiles(files, archive, expiry, of_jobs.rules, active=office.job)
        user_files = UserFiles(files, expiry, replace(of_jobs.rules, code="file", accepted=""))

        def bucket(bucket_id: str) -> Mapping[str, Any] | None:
            return definitions.get("buckets", bucket_id)

        of_buckets = bucket_uploads(settings.client)
        in_buckets = BucketContents(records)
        bucket_contents = Buckets(
            in_buckets,
            files,
            expiry,
            of_buckets.rules,
            known=lambda bucket_id: bucket(bucket_id) is not None,
            max_data_size=of_buckets.max_data_size,
        )
        signals.subscribe("buckets", bucket_contents.observe, DefinitionChanged)
        deletion = Deletion(archive, files, signals, definitions.state, settings.tz, job_files)
        alert_records = SearchableDocuments(records, ALERTS, tables.alerts)
        snapshot_records = SearchableDocuments(records, SNAPSHOTS, tables.snapshots)
        server_jobs = ServerJobs(office)
        active_alerts = ActiveAlerts(lambda id: definitions.get("alerts", id))
        alert_store = AlertStore(records, alert_records)
        alerting = Alerting(
            alert_store,
            active_alerts,
            definitions,
            signals,
            roster,
            server_jobs,
            stale_seconds=settings.stale_alert_timeout,
        )
        purge = Purge(alert_store, definitions.state)
        snapshots = Snapshots(snapshot_records, roster, active_alerts, server_jobs, definitions, signals)
        watches = Watches(definitions.state, snapshots)
        samples = Samples(
            records,
            definitions,
            QuickMonitors(settings.quick_monitors, settings.quick_max),
            (alerting.sampled, watches.sampled),
        )
        alerting.samples = snapshots.samples = samples
        signals.subscribe("alerts", alerting.observe)
        signals.subscribe("deleted alerts", purge.observe)
        server_changes = ServerChanges(roster, stored_servers, definitions, signals)

        async def forget_alerts(server_id: str) -> None:
            alerting.forget_server(server_id)
            await purge.delete(f"server:{server_id}")

        removals = Removals(
            roster,
            stored_servers,
            definitions.state,
            signals,
            (forget_alerts, snapshots.delete_of_server, samples.delete),
        )
        users = Users(records)
        sessions = Sessions(records, settings, signals)
        accounts = Accounts(users, sessions, definitions, settings, signals)
        security = SecurityLog(records)
        avatars = Avatars(files)
        post = Post()
        changes = AccountChanges(
            users, sessions, accounts.roles, accounts.attempts, security, avatars, post, signals, settings
        )
        recovery = Recovery(records, users, changes, post, settings)
        key_usage = KeyUsage(accounts.keys, definitions, definitions.state)

        leadership = Leadership(
            redis,
            names,
            settings.host_id(),
            owner=_own(data_dir / "owner"),
            ttl=settings.lease_seconds,
            margin=settings.lease_margin_seconds,
        )
        credentials = Credentials(Documents(records, tables.satellite_credentials), roster, settings, signals)
        if settings.file_access == "signed":
            roster.signed = UrlSigner(settings).inputs
        sockets = Sockets(roster, samples, settings, signals, leadership)
        picture = Picture(definitions, roster, leadership, release)
        door = BrowserDoor(accounts, leadership, settings, release)
        browsers = Browsers(accounts, definitions, picture, door, signals)
        sockets.browsers = browsers
        picture.jobs = office.jobs
        picture.alerts = active_alerts.all
        watches.changed = browsers.state_changed
        signals.subscribe("browsers", browsers.observe)
        activity.follow(browsers.followed)

        async def delete_jobs_of(event_id: str, actor: Actor) -> None:
            office.engine.in_background(deletion.delete_of_event(event_id, actor))

        async def bring_to_rest(reason: str, actor: Actor, job: InternalJob) -> None:
            engine = office.engine
            was_on, aborted, left = await interrupt(engine, definitions.state, signals, reason, actor)
            if was_on:
                job.details = "The scheduler was switched off and must be switched on again by hand."
            job.stats |= {"aborted": aborted, "left": left} if reason else {}

        fleet_monitors = [monitors.exposition_of(samples, roster)] if settings.metrics_monitors else []
        metrics = Metrics([lambda: _gauges(office, roster, signals)], fleet_monitors)
        house = Administration(
            records=records,
            archive=archive,
            servers=stored_servers,
            alerts=alert_records,
            snapshots=snapshot_records,
            files=files,
            definitions=definitions,
            users=users,
            sessions=sessions,
            signals=signals,
            settings=settings,
            base=base,
            redis=redis,
            keys=names,
            seat=leadership,
            version=release,
            data_dir=data_dir,
            requests=lambda: metrics.requests,
            active_jobs=office.count,
            groups_of=lambda server_id: (roster.record(server_id) or {}).get("groups", []),
            delete_job=lambda job_id: deletion.delete(job_id, SYSTEM),
            interrupt=bring_to_rest,
        )
        house.conductors.stop = stop
        house.collections.deletes("servers", removals.remove)
        house.sections.register(BucketSection(in_buckets))
        house.sections.register(SecretSection(vault))
        activity.follow(house.follow)
        signals.subscribe("statistics", house.statistics.observe)

        client = HttpClient(settings)
        stack.push_async_callback(client.close)
        house.marketplace.web = house.releases.web = Fetch(client)
        counts = DailyCounts(definitions.state, settings.tz)

        async def count_hook(hook_id: str, limit: int) -> bool:
            granted = limit <= 0 or await counts.take(f"web_hooks/{hook_id}", limit)
            if granted:
                house.statistics.bump("web_hooks", hook_id, "invocations")
            return granted

        web_hooks = WebHooks(client, settings, count=count_hook)
        mailer = Mailer(
            settings,
            version=release,
            templates=data_dir / "emails",
            take=counts.take,
            sent=lambda: house.statistics.bump("transactions", "email_sent"),
        )

        post.mailer = mailer
        house.jobs.mailer = mailer
        house.jobs.browsers = browsers
        picture.internal_jobs = lambda: {job.id: job.shown() for job in house.jobs.all()}
        picture.statistics = house.statistics.shown
        house.maintenance.register("password recovery", recovery.purge)
        house.maintenance.register(
            "timelines", Retention(samples.timelines, settings.timeline_expiration).trim
        )
        house.maintenance.register("event log", lambda: event_log.expire(settings.event_log_days))
        house.maintenance.register("expired files", lambda: expiry.expire(int(clock.now())))
        secret_values = Secrets(definitions, vault, signals)

        def web_hook(hook_id: str) -> Mapping[str, Any] | None:
            return definitions.get("web_hooks", hook_id)

        stored_tickets = house.collections.documents["tickets"]
        stored_alerts = house.collections.documents["alerts"]
        shelf = Shelf(records, stored_tickets, definitions.state)
        people = Everybody(users)

        def title(kind: str, id: str) -> str:
            found = roster.record(id) if kind == "servers" else definitions.get(kind, id)
            return str((found or {}).get("title") or id)

        notices = Notices(shelf, definitions.state, mailer, people, settings, title)

        async def any_job(job_id: str) -> dict[str, Any] | None:
            active = office.engine.book.get(job_id)
            return {**active.details, **active.job} if active else await archive.get(job_id)

        async def server_exists(server_id: str) -> bool:
            return bool(roster.record(server_id) or await stored_servers.get(server_id))

        facts = StoredFacts(definitions, settings, job=any_job, alert=stored_alerts.get, server=roster.record)
        tickets = Tickets(
            shelf,
            definitions,
            people,
            Attachments(files, settings),
            notices,
            StoredBonds(archive, office.book, stored_alerts),
            signals,
            settings,
            server_exists=server_exists,
            spawn=lambda work: office.engine.in_background(work),
            closed=lambda: house.statistics.bump("transactions", "ticket_close"),
        )

        async def delete_ticket(ticket_id: str) -> None:
            if await shelf.get(ticket_id) is not None:
                await tickets.delete(ticket_id, actor=SYSTEM)

        house.collections.deletes("tickets", delete_ticket)

        async def ticket_of_hook(doc: Mapping[str, Any], caused_by: str) -> Mapping[str, Any]:
            return await tickets.create(doc, actor=SYSTEM, username="system", caused_by=caused_by)

        hooks = SystemHooks(
            settings,
            web_hooks,
            mailer,
            hook=web_hook,
            secrets=secret_values.of_web_hook,
            ticket=ticket_of_hook,
            version=release,
            folder=data_dir,
        )
        activity.follow(hooks.follow)

        condition_hooks = ConditionHooks(lambda: settings.hooks, hooks.fire)
        signals.subscribe("condition hooks", condition_hooks.observe, JobConditionMet)
        action_ports = ActionPorts(
            mailer=mailer,
            web_hooks=web_hooks,
            tickets=tickets,
            secrets=secret_values,
            addresses=users,
            browsers=browsers,
            samples=samples,
            buckets=bucket_contents,
            snapshots=snapshots,
            alerts=alerting,
            counts=house.statistics,
        )

        rotation = Rotation(
            KeyFile(data_dir),
            vault,
            settings,
            changes,
            house.jobs,
            interrupt=bring_to_rest,
            hosts=house.conductors.all,
            retell=credentials.tell_all,
        )

        async def menu_of_bucket(bucket_id: str) -> Mapping[str, Any]:
            return await in_buckets.data(bucket_id) if bucket(bucket_id) is not None else {}

        async def records_answer() -> bool:
            return await records.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar() == 1)

        session_calls = SessionCalls(
            accounts, definitions, signals, leadership, picture.live, security, logout_url(settings.SSO)
        )
        sso = SsoDoor(settings, accounts, changes, session_calls, leadership, signals, pages=None)

        trigger_plugins = TriggerPlugins(definitions, settings, release, secret_values)
        timekeeper = Timekeeper(definitions, trigger_plugins, settings, signals, files=GivenFiles(job_files))
        signals.subscribe("schedule", timekeeper.observe, DefinitionChanged, Activity)

        enrolment = Enrolment(redis, names, settings, credentials)
        packages = Packages(data_dir, settings, release)
        registry = Registry(
            (
                *misc.endpoints(settings, leadership, release, house.conductors.all),
                *session_calls.endpoints(),
                *sso.endpoints(),
                *UserCalls(
                    accounts, changes, recovery, security, post, signals, settings, house.jobs
                ).endpoints(),
                *UserAdminCalls(
                    accounts, changes, sorted_by_name=settings.User.sort_global_users
                ).endpoints(),
                *avatar_calls.AvatarCalls(avatars, accounts, changes, settings.ttl).endpoints(),
                *api_keys.endpoints(definitions, accounts),
                *definitions_api.endpoints(definitions, office.jobs_of_event, delete_jobs_of),
                *categories.endpoints(definitions),
                *bucket_definitions.endpoints(definitions, bucket_contents),
                *secrets_api.endpoints(definitions, vault, signals),
                *references.endpoints(definitions),
                *revisions.endpoints(definitions, records),
                *multiple.endpoints(
                    definitions,
                    {
                        **multiple.of_house(office, roster, definitions.state),
                        "alerts": picture.active_alerts,
                    },
                ),
                *actions.endpoints(failed_actions, definitions),
                *channels.endpoints(office, definitions, signals),
                *event_history.endpoints(definitions, records, settings.ttl),
                *run_event.endpoints(office, definitions, job_files),
                *magic.endpoints(office, definitions, settings, job_files),
                *explain.endpoints(office, timekeeper, definitions, stored_servers, roster, settings),
                *scheduler_plugins.endpoints(trigger_plugins, settings),
                *jobs.endpoints(office, archive, settings),
                *job_summaries.endpoints(office),
                *workflows.endpoints(office, archive, definitions),
                *job_control.endpoints(office, archive, deletion, definitions, _email_of(users)),
                *job_logs.endpoints(office, archive, files, settings),
                *job_stream.endpoints(office, archive, settings),
                *files_api.endpoints(
                    files,
                    job_files,
                    user_files,
                    files_api.Door(office, archive, bucket, roster, accounts, credentials, settings),
                    signals,
                    settings,
                ),
                *buckets.endpoints(bucket_contents, bucket, signals),
                *servers.endpoints(roster, stored_servers, samples),
                *monitors.endpoints(definitions, roster, stored_servers, samples),
                *mail_api.endpoints(mailer, settings),
                *tickets_api.endpoints(tickets, facts, mailer.templates, settings),
                *web_hooks_api.endpoints(
                    web_hooks,
                    web_hook,
                    secret_values.of_web_hook,
                    signals,
                    settings,
                    job=lambda job_id: office.engine.book.get(job_id),
                    online=lambda server_id: server_id in roster.online,
                    texts=ActiveJobTexts(office, facts, settings),
                ),
                *administration_endpoints(house, roster, leadership, rotation, menu_of_bucket),
                *servers.ServerCalls(server_changes, removals).endpoints(),
                *AlertCalls(alerting, alert_store, definitions, samples, signals).endpoints(),
                *SnapshotCalls(snapshots, watches, roster, definitions, signals).endpoints(),
                *satellites.endpoints(
                    office, enrolment, credentials, roster, stored_servers, accounts, settings, release
                ),
                *SatelliteFiles(
                    enrolment, credentials, packages, roster, stored_servers, accounts, settings
                ).endpoints(),
                *satellite_keys.endpoints(credentials, roster, stored_servers),
            )
        )
        health = Health(leadership, metrics, {"redis": redis.ping, "database": records_answer})
        kernel = Kernel(
            registry,
            accounts,
            leadership,
            settings,
            metrics=metrics,
            sockets=sockets.accept,
            raw=(
                *health.uris(),
                *events_api.uris(event_log, accounts, leadership),
                OpenApi(registry.endpoints, release).uri(),
            ),
            pages=sso.page,
            upload_folder=_emptied(data_dir / "uploads"),
        )
        primary = Primary(
            redis=redis,
            keys=names,
            leadership=leadership,
            records=records,
            definitions=definitions,
            users=users,
            archive=archive,
            files=files,
            servers=stored_servers,
            roster=roster,
            samples=samples,
            sockets=sockets,
            office=office,
            timekeeper=timekeeper,
            settings=settings,
            signals=signals,
            data_dir=data_dir,
            announce_password=_show_password,
            key_usage=key_usage,
            browsers=browsers,
            alerting=alerting,
            purge=purge,
            watches=watches,
            removals=removals,
            server_changes=server_changes,
            forget=(
                credentials.forget,
                house.forget,
                sessions.forget,
                alerting.forget,
                watches.forget,
                snapshots.forget,
                samples.forget_all,
                vault.forget,
                bucket_contents.forget,
            ),
            action_ports=action_ports,
            active_alerts=active_alerts,
            duties=(("ticket mail", notices.run),),
            house=house,
            secrets_of_plugin=secret_values.of_plugin,
            credentials=credentials,
        )

        for running, name in (
            (activity.run(), "activity log"),
            (chronicle.run(), "event log"),
            (signals.run(), "signals"),
            (samples.run(), "samples"),
            (post.run(), "post"),
            (browsers.run(), "browsers"),
            (sockets.heartbeat(), "heartbeat"),
            (hooks.run(), "system hooks"),
            (house.conductors.run(), "conductors"),
        ):
            await stack.enter_async_context(_task(running, name))
        stack.push_async_callback(hooks.settled, STOP_SECONDS / 2)
        stack.push_async_callback(activity.flush, STOP_SECONDS)
        stack.push_async_callback(signals.settled, STOP_SECONDS)
        # Left last and taken first: who cannot listen must not stand for election, and who stops hands the
        # lease over before it waits for its callers, among whom are the satellites.
        await stack.enter_async_context(_listening(kernel, settings))
        stack.push_async_callback(leadership.release)
        await stack.enter_async_context(_task(leadership.run(primary.serve), "leadership"))
        yield


@asynccontextmanager
async def _listening(kernel: Kernel, settings: Settings) -> AsyncIterator[None]:
    server = PatientServer(kernel.handle, settings.WebServer.timeout)
    runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    where = settings.WebServer
    site = web.TCPSite(runner, where.bind, where.port, backlog=1024)
    try:
        await site.start()
        log.info("listening", host=where.bind, port=where.port)
        if where.https:
            context = await asyncio.to_thread(server_context, where)
            await web.TCPSite(runner, where.bind, where.https_port, backlog=1024, ssl_context=context).start()
            log.info("listening with TLS", host=where.bind, port=where.https_port)
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _task(running: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """A task of ours, owned by the stack: cancelled and awaited on leaving."""
    task = asyncio.create_task(running, name=name)
    task.add_done_callback(_note_failure)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _note_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a part of the conductor failed", part=task.get_name(), exc_info=error)


def _lock(data_dir: Path) -> TextIO:
    """Hold the data directory for this process alone. Raises OSError when another one has it."""
    file = (data_dir / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OSError(f"another conductor is running on {data_dir}") from None
    return file


async def _vault(records: Records, settings: Settings, data_dir: Path) -> Vault:
    """The store of secret values, under the key that counts: a change of it may have been broken off."""
    key_file = KeyFile(data_dir)
    if key_file.staged() and settings.secret_key == key_file.current():
        settings.secret_key = await key_file.settle(Vault(records, settings.secret_key))
    return Vault(records, settings.secret_key)


def _emptied(folder: Path) -> Path:
    """A folder for uploads under way; what a conductor that died left in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _own(file: Path) -> str:
    """A random word made once for this data directory and kept in it: the secret key, the lease's owner."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        fresh.replace(file)
    return file.read_text().strip()


def _gauges(office: Office, roster: Roster, signals: Signals) -> dict[str, float]:
    return {
        "active_jobs": float(office.count()),
        "online_servers": float(len(roster.online)),
        "dropped_signals": float(signals.dropped),
    }


def _email_of(users: Users) -> Callable[[str], str]:
    return lambda username: str((users.get(username) or {}).get("email") or "")


def _show_password(password: str) -> None:
    print(f"\nFirst administrator: admin\nPassword (shown once): {password}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
