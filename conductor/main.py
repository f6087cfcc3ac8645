"""The composition root: builds every part of a conductor, starts and stops them in order.

opsorbit-conductor --data-dir DIR --port N --config FILE
"""

import argparse
import asyncio
import contextlib
import fcntl
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
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
from conductor.api import (
    api_keys,
    bucket_definitions,
    categories,
    event_history,
    job_logs,
    job_stream,
    jobs,
    misc,
    multiple,
    references,
    revisions,
    run_event,
    satellite_keys,
    satellites,
    servers,
)
from conductor.api import avatars as avatar_calls
from conductor.api import definitions as definitions_api
from conductor.api import secrets as secrets_api
from conductor.api.health import Health
from conductor.api.kernel import Kernel
from conductor.api.metrics import Metrics
from conductor.api.office import Office
from conductor.api.openapi import OpenApi
from conductor.api.patience import PatientServer
from conductor.api.registry import Registry
from conductor.api.satellite_files import SatelliteFiles
from conductor.api.sessions import SessionCalls
from conductor.api.sso import SsoDoor
from conductor.api.user_admin import UserAdminCalls
from conductor.api.users import UserCalls
from conductor.audit.activity import ActivityLog
from conductor.definitions.key_file import KeyFile
from conductor.definitions.repository import Definitions
from conductor.definitions.vault import Vault
from conductor.errors import Refusal
from conductor.fleet.browser_door import BrowserDoor
from conductor.fleet.browser_picture import Picture
from conductor.fleet.browsers import Browsers
from conductor.fleet.credentials import Credentials
from conductor.fleet.enrolment import Enrolment
from conductor.fleet.roster import Roster
from conductor.fleet.sockets import Sockets
from conductor.jobs.deletion import Deletion
from conductor.leadership import Leadership
from conductor.live.connection import connect
from conductor.live.embedded import EmbeddedRedis, RedisMissing
from conductor.live.keys import keys
from conductor.monitoring.samples import Samples
from conductor.packages.store import Packages
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.records.store import Records, SchemaError
from conductor.settings import Settings, SettingsError, load
from conductor.signals import Actor, Signals
from conductor.term import Primary
from conductor.tls import server_context

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
        settings = load(arguments.config, port=arguments.port)
        logs.configure(settings)
        # SQLite gives up the interpreter's lock at every row, and a busy event loop would keep it for the
        # default 5 ms each time: 240 rows took 800 ms instead of 25.
        sys.setswitchinterval(0.0005)
        uvloop.run(serve(settings, arguments.data_dir.resolve()))
    except (SettingsError, SchemaError, RedisMissing, Refusal, OSError) as error:
        # One line, whatever a driver has to say.
        print(f"opsorbit-conductor: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(1)


async def serve(settings: Settings, data_dir: Path) -> None:
    """Run a conductor in `data_dir` until SIGTERM or SIGINT."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(data_dir)
    settings.secret_key = settings.secret_key or _own(data_dir / "secret_key")
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    async with _running(settings, data_dir):
        await stopping.wait()
        log.info("stopping")
    lock.close()


@asynccontextmanager
async def _running(settings: Settings, data_dir: Path) -> AsyncIterator[None]:
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
        stored_servers = Documents(records, tables.servers)
        samples = Samples(records)

        signals = Signals()
        activity = ActivityLog(records)
        signals.subscribe("activity log", activity.observe)
        office = Office()
        vault = await _vault(records, settings, data_dir)
        definitions = Definitions(
            records, signals, active_jobs=office.count_of_event, apart={"secrets": vault}
        )
        deletion = Deletion(archive, files, signals)
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
        release = version("opsorbit")
        roster = Roster(release)
        credentials = Credentials(Documents(records, tables.satellite_credentials), roster, settings, signals)
        sockets = Sockets(roster, samples, settings, signals, leadership)
        picture = Picture(definitions, roster, leadership, release)
        door = BrowserDoor(accounts, leadership, settings, release)
        browsers = Browsers(accounts, definitions, picture, door, signals)
        sockets.browsers = browsers
        picture.jobs = office.jobs
        signals.subscribe("browsers", browsers.observe)
        activity.follow(browsers.followed)

        async def delete_jobs_of(event_id: str, actor: Actor) -> None:
            office.engine.in_background(deletion.delete_of_event(event_id, actor))

        async def records_answer() -> bool:
            return await records.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar() == 1)

        session_calls = SessionCalls(
            accounts, definitions, signals, leadership, picture.live, security, logout_url(settings.SSO)
        )
        sso = SsoDoor(settings, accounts, changes, session_calls, leadership, signals, pages=None)
        enrolment = Enrolment(redis, names, settings, credentials)
        packages = Packages(data_dir, settings, release)
        registry = Registry(
            (
                *misc.endpoints(settings, leadership, release),
                *session_calls.endpoints(),
                *sso.endpoints(),
                *UserCalls(accounts, changes, recovery, security, post, signals, settings).endpoints(),
                *UserAdminCalls(
                    accounts, changes, sorted_by_name=settings.User.sort_global_users
                ).endpoints(),
                *avatar_calls.AvatarCalls(avatars, accounts, changes, settings.ttl).endpoints(),
                *api_keys.endpoints(definitions, accounts),
                *definitions_api.endpoints(definitions, office.jobs_of_event, delete_jobs_of),
                *categories.endpoints(definitions),
                *bucket_definitions.endpoints(definitions),
                *secrets_api.endpoints(definitions, vault, signals),
                *references.endpoints(definitions),
                *revisions.endpoints(definitions, records),
                *multiple.endpoints(definitions, multiple.of_house(office, roster, definitions.state)),
                *event_history.endpoints(definitions, records, settings.ttl),
                *run_event.endpoints(office, definitions),
                *jobs.endpoints(office, archive, deletion, settings),
                *job_logs.endpoints(office, archive, files, settings),
                *job_stream.endpoints(office, archive, settings),
                *servers.endpoints(roster, stored_servers, samples),
                *satellites.endpoints(
                    office, enrolment, credentials, roster, stored_servers, accounts, settings, release
                ),
                *SatelliteFiles(
                    enrolment, credentials, packages, roster, stored_servers, accounts, settings
                ).endpoints(),
                *satellite_keys.endpoints(credentials, roster, stored_servers),
            )
        )
        metrics = Metrics([lambda: _gauges(office, roster, signals)])
        health = Health(leadership, metrics, {"redis": redis.ping, "database": records_answer})
        kernel = Kernel(
            registry,
            accounts,
            leadership,
            settings,
            metrics=metrics,
            sockets=sockets.accept,
            raw=(*health.uris(), OpenApi(registry.endpoints, release).uri()),
            pages=sso.page,
            upload_folder=data_dir / "uploads",
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
            settings=settings,
            signals=signals,
            data_dir=data_dir,
            announce_password=_show_password,
            key_usage=key_usage,
            browsers=browsers,
            credentials=credentials,
            forget=(credentials.forget, archive.forget, sessions.forget, samples.forget_all, vault.forget),
        )

        for running, name in (
            (activity.run(), "activity log"),
            (signals.run(), "signals"),
            (samples.run(), "samples"),
            (post.run(), "post"),
            (browsers.run(), "browsers"),
            (sockets.heartbeat(), "heartbeat"),
        ):
            await stack.enter_async_context(_task(running, name))
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


def _show_password(password: str) -> None:
    print(f"\nFirst administrator: admin\nPassword (shown once): {password}\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
