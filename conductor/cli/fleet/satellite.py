"""Simulated satellites: they join, answer every launch with its result at once, and send samples.

They speak the base protocol (contract satellite_protocol.md), and `opsorbit.v1` (docs/satellite-wire.md)
when asked to and the server offers it. In the base protocol a result is the HTTP call `finish_job`, as agents
make it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec

from conductor.cli.client import Client, Json
from conductor.cli.fleet.delivery import Delivery
from conductor.cli.fleet.websocket import WebSocket, binary_frame, text_frame
from shared.ids import hex_id
from shared.protocol import proofs
from shared.protocol.frames import SUBPROTOCOL, JsonEncoding, MsgpackEncoding

_JOIN_TIMEOUT = 15.0
_RESULT = {"state": "complete", "complete": True, "code": 0, "description": "", "progress": 1}
NAME_PREFIX = "bench-"
"""First part of the simulated hosts' names."""


class FleetError(Exception):
    """A simulated satellite was refused or never welcomed."""


class SimulatedSatellite:
    """One satellite on one websocket."""

    def __init__(self, url: str, config: Json, hostname: str, delivery: "Delivery") -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self.id = str(config["server_id"])
        self._token = str(config["auth_token"])
        self._hostname = hostname
        self._delivery = delivery
        self._socket = WebSocket(self._received)
        self._encoding: JsonEncoding | MsgpackEncoding = JsonEncoding()
        self._joined: asyncio.Future[None] | None = None
        self.launches = 0
        self.acknowledged = 0
        """Results that the conductor has confirmed (`opsorbit.v1` only)."""

    async def join(self, subprotocol: str = "") -> None:
        """Connect and return once the conductor has said `joined`. Raises FleetError."""
        self._joined = asyncio.get_running_loop().create_future()
        self._encoding = JsonEncoding()
        await self._socket.open(self._host, self._port, subprotocol)
        self._agree()
        self._send("hello", {"id": self.id, "hostname": self._hostname, "info": _facts(self._hostname)})
        try:
            async with asyncio.timeout(_JOIN_TIMEOUT):
                await self._joined
        except FleetError:
            self._socket.close()
            raise
        except TimeoutError:
            self._socket.close()
            raise FleetError(f"{self._hostname} was not welcomed within {_JOIN_TIMEOUT:g} s") from None

    @property
    def acknowledges(self) -> bool:
        """Whether the extension `opsorbit.v1` is spoken."""
        return self._encoding.binary

    async def send_samples(self, sample: Json, count: int) -> None:
        """Send the same minute sample `count` times; return when the conductor has read them all."""
        data = {**sample, "server": self.id, "hostname": self._hostname}
        message = self._frame("monitor", data)
        for _ in range(count):
            self._socket.send(message)
            await self._socket.drain()
        await self._socket.read_by_peer()

    async def send_sample(self, sample: Json) -> None:
        """Send a minute sample; return when the transport has taken it. A lost connection loses it."""
        with suppress(ConnectionError):
            self._send("monitor", {**sample, "server": self.id, "hostname": self._hostname})
            await self._socket.drain()

    async def lost(self) -> None:
        """Return when the connection has ended."""
        await self._socket.closed.wait()

    def leave(self) -> None:
        self._socket.close()

    def _agree(self) -> None:
        """Speak as the server chose to."""
        if self._socket.subprotocol == SUBPROTOCOL and not self._encoding.binary:
            self._encoding = MsgpackEncoding()

    def _received(self, message: bytes) -> None:
        self._agree()
        frame = self._encoding.decode(message)
        match frame.cmd:
            case "echo":
                self._send("echoback", frame.data)
            case "hello":
                self._send("join", self._introduction(frame.body()))
            case "joined":
                if self.acknowledges:
                    self._send("resume", {"jobs": []})
                self._welcome(None)
            case "auth_failure" | "redirect" | "retry":
                self._welcome(FleetError(f"{self._hostname}: {frame.cmd} {frame.data}"))
            case "launch_job":
                self._launch(frame.body())
            case "result_ack":
                self.acknowledged += 1

    def _introduction(self, answer: Json) -> Json:
        """By proof where the conductor takes one, as our satellites join."""
        if answer.get("proof") != proofs.METHOD:
            return {"token": self._token}
        challenge = hex_id()
        proof = proofs.of_satellite(self._token, self.id, str(answer.get("nonce")), challenge)
        return {"challenge": challenge, "proof": proof}

    def _welcome(self, error: FleetError | None) -> None:
        if self._joined is None or self._joined.done():
            return
        if error:
            self._joined.set_exception(error)
        else:
            self._joined.set_result(None)

    def _launch(self, launch: Json) -> None:
        self.launches += 1
        job = launch["job"]
        if self.acknowledges:
            result = {
                "id": job["id"],
                "attempt": launch["attempt"],
                "log_size": 0,
                "job": _RESULT,
                "meta": [],
            }
            self._send("job_result", result)
        else:
            body = {"id": job["id"], "server": self.id, "auth": self._token, "job": {**job, **_RESULT}}
            self._delivery.post("/api/app/finish_job", msgspec.json.encode(body))

    def _send(self, cmd: str, data: Any) -> None:
        self._socket.send(self._frame(cmd, data))

    def _frame(self, cmd: str, data: Any) -> bytes:
        payload = self._encoding.encode(cmd, data)
        return binary_frame(payload) if self._encoding.binary else text_frame(payload)


@asynccontextmanager
async def fleet(client: Client, size: int, subprotocol: str = "") -> AsyncIterator[list[SimulatedSatellite]]:
    """`size` joined satellites; they leave at the end."""
    token = (await client.call("get_satellite_token"))["token"]
    delivery = Delivery(client.url)
    satellites: list[SimulatedSatellite] = []
    try:
        await delivery.open()
        for number in range(size):
            config = msgspec.json.decode(await client.fetch("/api/app/satellite/config", t=token))
            satellite = SimulatedSatellite(client.url, config, f"{NAME_PREFIX}{number:03d}", delivery)
            satellites.append(satellite)
            await satellite.join(subprotocol)
        yield satellites
    finally:
        for satellite in satellites:
            satellite.leave()
        delivery.close()


def _facts(hostname: str) -> Json:
    """`hello.info` (contract monitor_data.md §2)."""
    return {
        "satellite": "1.0.39",
        "node": "22.20.0",
        "booted": 1_761_040_011.2,
        "arch": "x64",
        "platform": "linux",
        "release": "6.8.0",
        "quickmon": False,
        "features": {},
        "os": {
            "platform": "Linux",
            "distro": "Ubuntu",
            "release": "24.04",
            "arch": "x64",
            "hostname": hostname,
        },
        "memory": {
            "total": 16_777_216_000,
            "free": 5_012_000_000,
            "used": 11_765_216_000,
            "active": 4_100_000_000,
        },
        "cpu": {"manufacturer": "AMD", "brand": "EPYC", "cores": 8, "physicalCores": 4, "processors": 1},
        "virt": False,
    }
