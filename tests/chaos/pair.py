"""Two conductors on one Redis, one PostgreSQL and one folder of files, and a satellite that knows both.

They are two hosts on one machine: the same port on 127.0.0.1 and 127.0.0.2.
"""

import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from tests.chaos.cluster import Cluster
from tests.processes import (
    ApiError,
    Client,
    Conductor,
    RedisServer,
    Satellite,
    administrator_key,
    enrol,
    eventually,
    free_port,
    joined,
    redis_server,
)

HOSTS = ("127.0.0.1", "127.0.0.2")
LEASE = 3.0
MARGIN = 0.5
PASSWORD = "failover"
_JOIN = 30.0


class Host(Conductor):
    """A conductor that is reached under an address of its own."""

    def __init__(self, folder: Path, host: str, port: int, environment: Mapping[str, str]) -> None:
        url = f"http://{host}:{port}"
        super().__init__(
            folder / host,
            port=port,
            name=host,
            environment={
                **environment,
                "OPSORBIT_WEBSERVER__BIND": host,
                "OPSORBIT_HOSTNAME": host,
                "OPSORBIT_BASE_APP_URL": url,
            },
        )
        self.host = host
        self.url = url


class Pair(Cluster):
    """The cluster's promises and checks; calls go to the one conductor until it is away or refers to the other."""

    def __init__(
        self,
        hosts: tuple[Host, Host],
        redis: RedisServer,
        satellite: Satellite,
        server_id: str,
        client: Client,
        api_key: str,
        ledger: Path,
    ) -> None:
        super().__init__(hosts[0], satellite, client, api_key, ledger)
        self.hosts = hosts
        self.redis = redis
        self.server_id = server_id
        self.database_url = ""
        self.api_key = api_key
        self.refusals: list[tuple[int, Any]] = []
        """HTTP status and code of each call that was refused."""

    def refused(self, url: str, status: int, code: Any) -> None:
        self.refusals.append((status, code))
        if code == "master":
            self.unanswered(url)

    def unanswered(self, url: str) -> None:
        """The next calls go to the other one, unless somebody else has turned there already."""
        self.client.url = next(host.url for host in self.hosts if host.url != url)

    async def followed(self, host: Host) -> None:
        """Return when the satellite has joined this conductor."""
        async with Client(host.url, self.api_key) as client:

            async def online() -> bool:
                try:
                    rows = (await client.call("get_active_servers"))["rows"]
                except ApiError:
                    return False
                return self.server_id in [row["id"] for row in rows]

            await eventually(online, f"the satellite joins {host.host}", _JOIN)


def environment(redis_url: str, database_url: str, files: Path, **more: str) -> dict[str, str]:
    """What all conductors of a cluster share."""
    return {
        "OPSORBIT_REDIS_URL": redis_url,
        "OPSORBIT_DATABASE_URL": database_url,
        "OPSORBIT_FILES_URL": files.as_uri(),
        "OPSORBIT_SECRET_KEY": "fedcba9876543210" * 4,
        "OPSORBIT_ADMIN_PASSWORD": PASSWORD,
        "OPSORBIT_MASTERS": ",".join(HOSTS),
        "OPSORBIT_LEASE_SECONDS": f"{LEASE:g}",
        "OPSORBIT_LEASE_MARGIN_SECONDS": f"{MARGIN:g}",
        **more,
    }


@asynccontextmanager
async def pair(folder: Path, database_url: str, **more: str) -> AsyncIterator[Pair]:
    """Both conductors, the first one primary, and a satellite that has joined it."""
    async with AsyncExitStack() as stack:
        redis = await stack.enter_async_context(redis_server(folder / "redis"))
        shared = environment(redis.url, database_url, folder / "files", **more)
        port = free_port()
        first, second = (Host(folder, host, port, shared) for host in HOSTS)
        stack.push_async_callback(_ended, second)
        stack.push_async_callback(_ended, first)
        first.start()
        await first.ready()
        second.start()
        key = await administrator_key(first.url, PASSWORD)
        client = await stack.enter_async_context(Client(first.url, key))
        satellite, server_id = await enrol(client, first, folder / "s")
        _know_all_hosts(satellite.config)
        satellite.start()
        stack.push_async_callback(satellite.stop)
        await joined(client, satellite, server_id)
        await second.answers(503)
        (folder / "ledger").mkdir()
        running = Pair((first, second), redis, satellite, server_id, client, key, folder / "ledger")
        running.database_url = database_url
        yield running


def _know_all_hosts(config: Path) -> None:
    """Enrolment on one host fixes that one; the satellite of a cluster goes by its list."""
    document = msgspec.json.decode(config.read_bytes())
    del document["host"]
    config.write_bytes(msgspec.json.encode({**document, "hosts": HOSTS[:1]}))


async def _ended(conductor: Conductor) -> None:
    if conductor.running:
        conductor.signal(signal.SIGCONT)
        await conductor.stop()
