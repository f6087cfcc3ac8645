"""A satellite of a few lines, for tests that must see and say every frame of the wire themselves.

It speaks the base protocol as an agent of the original does, or `opsorbit.v1` as ours does. The verbs of a
job's life (`log`, `update`, `note`, `finish`) say the same in either, so that one suite runs over both.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from shared import ids
from shared.protocol import tokens
from shared.protocol.frames import SUBPROTOCOL, Frame, encoding_for
from tests.processes import Client, Conductor, administrator_key

BASE = ""
"""The base protocol: no websocket subprotocol, JSON text."""
ACKNOWLEDGED = SUBPROTOCOL
PROTOCOLS = [BASE, ACKNOWLEDGED]

PATIENCE = 15.0
SECRET = "0123456789abcdef" * 4
PASSWORD = "correct horse"

INFO: dict[str, Any] = {
    "satellite": "1.0.39",
    "booted": 1_761_040_011.2,
    "arch": "x64",
    "platform": "linux",
    "release": "6.8.0",
    "features": {},
    "os": {"platform": "Linux", "distro": "Ubuntu", "release": "24.04 LTS", "arch": "x64"},
    "memory": {"total": 16_777_216_000, "used": 11_765_216_000, "active": 4_100_000_000},
    "cpu": {"manufacturer": "AMD", "brand": "EPYC 7763", "cores": 8},
    "virt": {"vendor": "Amazon EC2", "type": "m6a.2xlarge", "location": "eu-west-1b"},
}


@dataclass(frozen=True, slots=True)
class Station:
    """One conductor without satellites, and the key of an administrator."""

    conductor: Conductor
    api_key: str

    def agent(self, subprotocol: str, **identity: str) -> "Agent":
        return Agent(self.conductor.url, subprotocol, **identity)

    def client(self) -> Client:
        return Client(self.conductor.url, self.api_key)

    def log_lines(self, *parts: str) -> list[str]:
        """Lines of the conductor's log with all of `parts` in them."""
        return [line for line in self.conductor.output().splitlines() if all(part in line for part in parts)]


@asynccontextmanager
async def station(folder: Path, **environment: str) -> AsyncIterator[Station]:
    settings = {"OPSORBIT_ADMIN_PASSWORD": PASSWORD, "OPSORBIT_SECRET_KEY": SECRET, **environment}
    conductor = Conductor(folder / "conductor", environment=settings)
    conductor.start()
    try:
        await conductor.ready()
        yield Station(conductor, await administrator_key(conductor.url, PASSWORD))
    finally:
        await conductor.stop()


class Agent:
    """One satellite on one websocket; `open` again after `leave` is a reconnection."""

    def __init__(self, url: str, subprotocol: str, *, server_id: str = "", hostname: str = "") -> None:
        self.url = url
        self.id = server_id or ids.short_id("s")
        self.hostname = hostname or f"{self.id}.lan"
        self.subprotocol = subprotocol
        self.answers = True
        """Whether it answers `echo`."""
        self.attempts: dict[str, int] = {}
        """Of the jobs launched on it (`opsorbit.v1`)."""
        self._encoding = encoding_for(subprotocol)
        self._log_sizes: dict[str, int] = {}
        self._unread: list[Frame] = []
        self._news = asyncio.Event()
        self._pongs = 0
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    # The socket

    async def open(self) -> None:
        self._session = aiohttp.ClientSession()
        offered = (self.subprotocol,) if self.subprotocol else ()
        self._socket = await self._session.ws_connect(
            self.url, protocols=offered, autoping=False, max_msg_size=0
        )
        assert (self._socket.protocol or "") == self.subprotocol
        self._unread.clear()
        self._reading = asyncio.create_task(self._read(self._socket))

    async def leave(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()

    async def closed(self, timeout: float = PATIENCE) -> None:
        """Return when the conductor has closed the socket."""
        assert self._reading is not None
        async with asyncio.timeout(timeout):
            await asyncio.wait([self._reading])

    def stop_reading(self) -> None:
        """Leave everything unread from now on, with the connection open: as if the host had lost its network."""
        assert self._socket is not None
        assert self._socket._conn is not None
        self._socket._conn.transport.pause_reading()

    @property
    def is_open(self) -> bool:
        return self._reading is not None and not self._reading.done()

    async def send(self, cmd: str, data: Any = None) -> None:
        await self.send_raw(self._encoding.encode(cmd, data), binary=self._encoding.binary)

    async def send_raw(self, message: bytes, *, binary: bool) -> None:
        """Any bytes as one message. What the conductor has closed takes them and loses them."""
        assert self._socket is not None
        kind = aiohttp.WSMsgType.BINARY if binary else aiohttp.WSMsgType.TEXT
        with suppress(ConnectionError):
            await self._socket.send_frame(message, kind)

    async def expect(self, cmd: str, timeout: float = PATIENCE, **match: Any) -> Any:
        """The payload of the next frame with this command and these values, which is taken out of the unread."""
        async with asyncio.timeout(timeout):
            while True:
                for frame in self._unread:
                    if frame.cmd == cmd and all(frame.body().get(key) == match[key] for key in match):
                        self._unread.remove(frame)
                        return frame.data
                assert self.is_open, f"the socket was closed before {cmd}"
                self._news.clear()
                await self._news.wait()

    async def settled(self) -> None:
        """Return when the conductor has acted on everything sent so far, and what it then said has arrived.

        It answers a ping in its turn, but past the frames it has yet to write: those come before a second one.
        """
        assert self._socket is not None
        for _ in range(2):
            before = self._pongs
            await self._socket.ping()
            async with asyncio.timeout(PATIENCE):
                while self._pongs == before:
                    assert self.is_open, "the socket was closed"
                    self._news.clear()
                    await self._news.wait()

    def unread(self, *commands: str) -> list[Any]:
        """Payloads that have arrived and nobody expected."""
        return [frame.data for frame in self._unread if frame.cmd in commands]

    # Joining

    async def hello(self, **properties: Any) -> dict[str, Any]:
        await self.send("hello", {"id": self.id, "hostname": self.hostname, "info": INFO, **properties})
        return dict(await self.expect("hello"))

    async def join(self, held: list[dict[str, Any]] | None = None, **properties: Any) -> dict[str, Any]:
        """The whole handshake; returns `joined`. Ours tells what it holds."""
        await self.hello(**properties)
        await self.send("join", {"token": self.token})
        joined = dict(await self.expect("joined"))
        if self.acknowledged:
            await self.send("resume", {"jobs": held or []})
        await self.settled()
        return joined

    async def rejoin(self, held: list[dict[str, Any]] | None = None) -> None:
        await self.leave()
        await self.open()
        await self.join(held)

    @property
    def token(self) -> str:
        return tokens.server_token(self.id, SECRET)

    @property
    def acknowledged(self) -> bool:
        return self.subprotocol == ACKNOWLEDGED

    # A job's life

    async def launched(self, job_id: str) -> dict[str, Any]:
        """The launch of this job."""
        async with asyncio.timeout(PATIENCE):
            while True:
                launch = dict(await self.expect("launch_job"))
                if launch["job"]["id"] == job_id:
                    self.attempts[job_id] = launch.get("attempt", 1)
                    return launch

    async def log(self, job_id: str, text: str) -> None:
        if self.acknowledged:
            offset, data = self._log_sizes.get(job_id, 0), text.encode()
            self._log_sizes[job_id] = offset + len(data)
            await self.send("job_log", {**self._of(job_id), "offset": offset, "data": data})
        else:
            await self.send("job_log", {"id": job_id, "text": text})

    async def update(self, job_id: str, **changes: Any) -> None:
        if self.acknowledged:
            await self.send("job_update", {**self._of(job_id), "update": changes})
        else:
            await self.send("jobs", {job_id: {"state": "active", **changes, "id": job_id}})

    async def note(self, job_id: str, text: str) -> None:
        if self.acknowledged:
            row = {"id": ids.short_id("m"), "epoch": 1_761_040_011.5, "msg": text}
            await self.send("job_update", {**self._of(job_id), "meta": [row]})
        else:
            await self.send("job_meta", {"id": job_id, "text": text})

    async def finish(self, job_id: str, **result: Any) -> None:
        """Deliver the result and return when the conductor has confirmed it."""
        if self.acknowledged:
            await self.send_result(job_id, **result)
            await self.expect("result_ack", id=job_id)
        else:
            answer = await self.finish_job(
                {"id": job_id, "server": self.id, "auth": self.token, "job": ended(job_id, **result)}
            )
            assert answer == (200, {"code": 0})

    async def send_result(self, job_id: str, **result: Any) -> None:
        message = {**self._of(job_id), "log_size": self._log_sizes.get(job_id, 0), "meta": []}
        await self.send("job_result", {**message, "job": ended(job_id, **result)})

    async def finish_job(self, body: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The HTTP call of the base protocol: status and envelope."""
        assert self._session is not None
        headers = {"Content-Type": "application/json"}
        async with self._session.post(
            f"{self.url}/api/app/finish_job", data=msgspec.json.encode(body), headers=headers
        ) as response:
            return response.status, await response.json(content_type=None)

    def _of(self, job_id: str) -> dict[str, Any]:
        return {"id": job_id, "attempt": self.attempts.get(job_id, 1)}

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.PONG:
                    self._pongs += 1
                else:
                    assert (message.type is aiohttp.WSMsgType.BINARY) == self._encoding.binary
                    frame = self._encoding.decode(message.data)
                    if frame.cmd == "echo" and self.answers:
                        await self.send("echoback", frame.data)
                    self._unread.append(frame)
                self._news.set()
        finally:
            self._news.set()


def ended(job_id: str, **result: Any) -> dict[str, Any]:
    """A finished job as agents tell of it."""
    return {
        "id": job_id, "state": "complete", "complete": True, "code": 0, "description": "", "progress": 1, **result
    }  # fmt: skip


async def server_of(client: Client, agent: Agent) -> dict[str, Any] | None:
    """The record of an agent's server while it is online."""
    rows = (await client.call("get_active_servers"))["rows"]
    return next((row for row in rows if row["id"] == agent.id), None)
