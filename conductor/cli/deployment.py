"""A conductor and a satellite on this host, with an account to talk to them: what one needs to try it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from conductor.cli.client import Client, Json
from conductor.cli.processes import LOOPBACK, START_TIMEOUT, Conductor, ProcessError, Satellite
from shared.ids import password as new_password

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Deployment:
    conductor: Conductor
    satellite: Satellite
    server_id: str
    password: str
    """Of the account `admin`."""
    api_key: str
    """With the privileges of an administrator."""

    @property
    def url(self) -> str:
        return self.conductor.url


@asynccontextmanager
async def deployed(
    folder: Path,
    *,
    port: int | None = None,
    environment: Mapping[str, str] | None = None,
    step: Callable[[str], None] = lambda _: None,
    prepare: Callable[[Client], Awaitable[object]] | None = None,
) -> AsyncIterator[Deployment]:
    """Start both in `folder` on embedded defaults, connect them, and stop both at the end.

    `step` is told in words what comes next; `prepare` is awaited before there is a satellite.
    Raises ProcessError or ApiError when something does not come up.
    """
    password = new_password()
    conductor = Conductor(
        folder / "conductor",
        port=port,
        environment={"OPSORBIT_ADMIN_PASSWORD": password, **(environment or {})},
    )
    step(f"Starting a conductor on {conductor.url}")
    conductor.start()
    try:
        await conductor.ready()
        api_key = await administrator_key(conductor.url, password)
        async with Client(conductor.url, api_key) as client:
            if prepare is not None:
                await prepare(client)
            step("Enrolling and starting a satellite")
            satellite, server_id = await enrol(client, conductor, folder / "satellite")
            satellite.start()
            try:
                await joined(client, satellite, server_id)
                yield Deployment(conductor, satellite, server_id, password, api_key)
            finally:
                await satellite.stop()
    finally:
        await conductor.stop()


async def administrator_key(url: str, password: str) -> str:
    """Log in as `admin` and create an API key with an administrator's privileges."""
    async with Client(url) as client:
        await client.login("admin", password)
        answer = await client.call("create_api_key", title="First key", active=1, privileges={"admin": True})
        return str(answer["plain_key"])


async def enrol(client: Client, conductor: Conductor, data: Path) -> tuple[Satellite, str]:
    """Have the conductor make a satellite's identity, write it to `data/config.json`.

    Returns the satellite, not started, and its server ID.
    """
    config = await identity(client)
    # On one host the loopback address is certain; the conductor's own name may not even resolve.
    config.update(host=LOOPBACK, port=conductor.port)
    data.mkdir(parents=True, exist_ok=True)
    file = data / "config.json"
    file.touch(mode=0o600)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(config)))
    return Satellite(data, file), str(config["server_id"])


async def identity(client: Client) -> Json:
    """A new satellite's configuration with its `server_id` and `auth_token` (contract api/satellite.yaml)."""
    token = (await client.call("get_satellite_token"))["token"]
    config: Json = msgspec.json.decode(await client.fetch("/api/app/satellite/config", t=token))
    return config


async def joined(
    client: Client, satellite: Satellite, server_id: str, timeout: float = START_TIMEOUT
) -> None:
    """Return when the server is online. Raises ProcessError when it is not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while server_id not in [row["id"] for row in (await client.call("get_active_servers"))["rows"]]:
        if not satellite.running or time.monotonic() > deadline:
            raise ProcessError(f"the satellite did not join\n{satellite.output()[-2000:]}")
        await asyncio.sleep(_POLL)
