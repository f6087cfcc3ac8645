"""A term with its schedule that can be called over HTTP."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.api import explain, job_stream, magic, run_event, scheduler_plugins
from conductor.api.call import UploadedFile
from conductor.api.kernel import Kernel
from conductor.api.office import Office
from conductor.api.registry import Registry
from conductor.definitions.writer import House as Owner
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.files import Files
from conductor.schedule.plugins import TriggerPlugins
from conductor.signals import SYSTEM
from tests.integration.api.conftest import Seat
from tests.integration.jobs.house import House
from tests.integration.schedule.clockwork import Clock, Clockwork, clockwork

SECRET = "the cluster's"


class KeptFiles:
    """Uploads on the real object store, as the room of files keeps them."""

    def __init__(self, files: Files) -> None:
        self.files = files

    async def add_inputs(
        self, uploads: Sequence[UploadedFile], username: str, expires: int, *, folder: str = "", **more: Any
    ) -> list[dict[str, Any]]:
        stored = []
        for number, upload in enumerate(uploads):
            path = f"files/{folder or username}/r{number}/{upload.name}"
            await self.files.put(path, upload.path.read_bytes())
            stored.append(
                {"id": f"f{number}", "filename": upload.name, "path": path, "size": upload.size, **more}
            )
        return stored


class Desk:
    def __init__(self, work: Clockwork, url: str, client: aiohttp.ClientSession, key: str) -> None:
        self.work = work
        self.house = work.house
        self.url = url
        self.client = client
        self.key = key

    async def call(
        self, name: str, body: Any = None, *, key: str | None = None, data: Any = None, **query: str
    ) -> tuple[int, dict[str, Any]]:
        """(HTTP status, envelope)."""
        key = self.key if key is None else key
        headers = {"X-API-Key": key} if key else {}
        path = name if "/" in name else f"{name}/v1"
        method = "GET" if body is None and data is None else "POST"
        async with self.client.request(
            method, f"{self.url}/api/app/{path}", json=body, data=data, params=query, headers=headers
        ) as response:
            return response.status, await response.json()

    async def api_key(self, **properties: Any) -> str:
        doc = {"title": "A key", "active": True, **properties}
        made = await self.house.definitions.create_showing("api_keys", doc, actor=SYSTEM, by=Owner("admin"))
        return str(made.shown_once["plain_key"])


@asynccontextmanager
async def opened(house: House, clock: Clock | None = None, *, files: bool = True) -> AsyncIterator[Desk]:
    settings = house.settings
    settings.secret_key = SECRET
    accounts = Accounts(Users(house.records), Sessions(house.records, settings), house.definitions, settings)
    office = Office()
    kept = KeptFiles(house.files) if files else None
    async with clockwork(house, clock) as work:
        office.open(work.term.engine)
        servers = Documents(house.records, tables.servers)
        plugins = TriggerPlugins(house.definitions, settings, "1.0")
        registry = Registry(
            (
                *run_event.endpoints(office, house.definitions, kept),
                *magic.endpoints(office, house.definitions, settings, kept),
                *explain.endpoints(
                    office, work.keeper, house.definitions, servers, house.satellites, settings
                ),
                *scheduler_plugins.endpoints(plugins, settings),
                *job_stream.endpoints(office, house.archive, settings),
            )
        )
        runner = web.ServerRunner(
            web.Server(Kernel(registry, accounts, Seat(), settings).handle, access_log=None)
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with aiohttp.ClientSession() as client:
                desk = Desk(work, url, client, "")
                desk.key = await desk.api_key(privileges={"admin": True})
                yield desk
        finally:
            await runner.cleanup()
