"""A real HTTP server over a real SQLite database, with the endpoints of this room."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.access.avatars import Avatars
from conductor.access.changes import AccountChanges
from conductor.access.post import Post
from conductor.access.recovery import Recovery
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.announcer import Signals
from conductor.api import (
    api_keys,
    bucket_definitions,
    categories,
    event_history,
    event_log,
    misc,
    multiple,
    references,
    revisions,
)
from conductor.api import definitions as definition_calls
from conductor.api import secrets as secret_calls
from conductor.api.avatars import AvatarCalls
from conductor.api.endpoint import Endpoint
from conductor.api.health import Health
from conductor.api.kernel import Kernel, RawUri
from conductor.api.metrics import Metrics
from conductor.api.openapi import OpenApi
from conductor.api.registry import Registry
from conductor.api.sessions import SessionCalls
from conductor.api.sso import SsoDoor
from conductor.api.user_admin import UserAdminCalls
from conductor.api.users import UserCalls
from conductor.audit.activity import ActivityLog
from conductor.audit.chronicle import described
from conductor.audit.event_log import EventLog
from conductor.definitions.defaults import contents
from conductor.definitions.repository import Definitions
from conductor.definitions.secret_uses import SecretUses
from conductor.definitions.vault import Vault
from conductor.definitions.writer import House
from conductor.records.files import Files
from conductor.records.store import Records
from conductor.settings import Settings
from conductor.signals import SYSTEM

PASSWORD = "open sesame"


@dataclass
class Seat:
    """Who is primary, as a test wants it."""

    primary: bool = True
    primary_host: str = "one.example"


@dataclass
class Served:
    url: str
    client: aiohttp.ClientSession
    records: Records
    definitions: Definitions
    users: Users
    accounts: Accounts
    activity: ActivityLog
    signals: Signals
    seat: Seat
    kernel: Kernel
    settings: Settings
    changes: AccountChanges
    mailer: "Outgoing"
    admin_key: str = ""
    uploads: Path = field(default_factory=Path)

    async def call(
        self, name: str, body: Any = None, *, key: str | None = None, v: str = "/v1", **query: str
    ) -> tuple[int, dict[str, Any]]:
        """(HTTP status, envelope) of a call with the administrator's key, or `key`."""
        headers = {"X-API-Key": self.admin_key if key is None else key}
        method = "GET" if body is None else "POST"
        async with self.client.request(
            method, f"{self.url}/api/app/{name}{v}", json=body, params=query, headers=headers
        ) as response:
            return response.status, await response.json()

    async def key(self, **properties: Any) -> str:
        """The plain key of a new API key."""
        made = await self.definitions.create_showing(
            "api_keys", {"title": "A key", **properties}, actor=SYSTEM, by=House("admin")
        )
        return str(made.shown_once["plain_key"])

    async def furnish(self) -> None:
        """The first contents of an installation, unannounced."""
        await self.definitions.restore(contents(1_800_000_000))


@dataclass
class Sent:
    code: int = 0
    description: str = ""


class Outgoing:
    """Where mail leaves the house: what was sent, by template."""

    def __init__(self) -> None:
        self.letters: list[tuple[str, Mapping[str, Any], list[str]]] = []
        self.arrived = asyncio.Event()

    async def send_template(self, template: str, data: Mapping[str, Any], *, to: Sequence[str] = ()) -> Sent:
        self.letters.append((template, data, list(to)))
        self.arrived.set()
        return Sent()

    async def letter(self, template: str) -> Mapping[str, Any]:
        """The data of the letter of that template, once it is sent."""
        async with asyncio.timeout(5):
            while True:
                for name, data, _ in self.letters:
                    if name == template:
                        return data
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def serving(
    folder: Path,
    more: tuple[Endpoint[Any], ...] = (),
    content: bucket_definitions.BucketContent | None = None,
    settings: Settings | None = None,
    make: Callable[[Records, Definitions], tuple[Endpoint[Any], ...]] | None = None,
    database_url: str = "",
) -> AsyncIterator[Served]:
    """`more` endpoints, and those that `make` makes of the stores."""
    settings = settings or Settings()
    settings.WebServer.max_json_size = 256 * 1024
    settings.WebServer.max_upload_size = 1024 * 1024
    settings.WebServer.timeout = 5.0
    records = await Records.open(database_url or f"sqlite:///{folder / 'test.db'}")
    signals, seat, metrics = Signals(described), Seat(), Metrics()
    vault = Vault(records, "the secret key of the tests")
    definitions = Definitions(records, signals, apart={"secrets": vault})
    users = Users(records)
    accounts = Accounts(users, Sessions(records, settings, signals), definitions, settings, signals)
    mailer = Outgoing()
    post, security, avatars = (
        Post(mailer),
        SecurityLog(records),
        Avatars(Files.open((folder / "files").as_uri())),
    )
    changes = AccountChanges(
        users,
        accounts.sessions,
        accounts.roles,
        accounts.attempts,
        security,
        avatars,
        post,
        signals,
        settings,
    )
    recovery = Recovery(records, users, changes, post, settings)
    session_calls = SessionCalls(accounts, definitions, signals, seat, lambda account: {}, security, "")
    sso = SsoDoor(settings, accounts, changes, session_calls, seat, signals, None)
    await definitions.load()
    await users.ensure_admin(PASSWORD)
    activity = ActivityLog(records)
    signals.subscribe("activity", activity.observe)

    def event_jobs(event_id: str, account: Any) -> tuple[list[dict[str, Any]], int]:
        return [{"id": "j1", "event": event_id}], 2

    registry = Registry(
        (
            *misc.endpoints(settings, seat, "0.0.0"),
            *session_calls.endpoints(),
            *UserCalls(accounts, changes, recovery, security, post, signals, settings).endpoints(),
            *UserAdminCalls(accounts, changes, sorted_by_name=False).endpoints(),
            *AvatarCalls(avatars, accounts, changes, settings.ttl).endpoints(),
            *sso.endpoints(),
            *api_keys.endpoints(definitions, accounts),
            *definition_calls.endpoints(definitions, event_jobs),
            *categories.endpoints(definitions),
            *bucket_definitions.endpoints(definitions, content),
            *secret_calls.endpoints(definitions, vault, SecretUses(records), signals),
            *references.endpoints(definitions),
            *revisions.endpoints(definitions, records),
            *multiple.endpoints(definitions, {}),
            *event_history.endpoints(definitions, records, settings.ttl),
            *more,
            *(make(records, definitions) if make else ()),
        )
    )
    uploads = folder / "uploads"
    uploads.mkdir()
    health = Health(seat, metrics, {"database": lambda: _ready(records)})
    raw: tuple[RawUri, ...] = (
        *health.uris(),
        *event_log.uris(EventLog(records), accounts, seat),
        OpenApi(registry.endpoints, "0.0.0").uri(),
    )
    kernel = Kernel(
        registry, accounts, seat, settings, metrics=metrics, raw=raw, pages=sso.page, upload_folder=uploads
    )
    runner = web.ServerRunner(web.Server(kernel.handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    background = [
        asyncio.create_task(signals.run()),
        asyncio.create_task(activity.run()),
        asyncio.create_task(post.run()),
    ]
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar, auto_decompress=True) as client:
        served = Served(
            f"http://127.0.0.1:{port}",
            client,
            records,
            definitions,
            users,
            accounts,
            activity,
            signals,
            seat,
            kernel,
            settings,
            changes,
            mailer,
            uploads=uploads,
        )
        served.admin_key = await served.key(privileges={"admin": True})
        try:
            yield served
        finally:
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
    await runner.cleanup()
    await records.close()


async def _ready(records: Records) -> bool:
    return await records.read(lambda sql: sql.exec_driver_sql("SELECT 1").scalar()) == 1


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path) as one:
        yield one
