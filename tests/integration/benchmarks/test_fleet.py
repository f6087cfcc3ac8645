"""The simulated satellites against a conductor of a few lines, in both ways of speaking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType, web

from conductor.cli.client import Client
from conductor.cli.fleet.sample import minute_sample
from conductor.cli.fleet.satellite import FleetError, SimulatedSatellite, fleet
from shared.protocol.frames import SUBPROTOCOL, encoding_for
from shared.protocol.messages import JobResult, Resume
from tests.integration.benchmarks.serving import served


@asynccontextmanager
async def met(
    conductor: "TinyConductor", size: int, subprotocol: str = ""
) -> AsyncIterator[list[SimulatedSatellite]]:
    """A fleet that has joined `conductor`, for at most 20 seconds."""
    async with (
        served(conductor.handle) as port,
        Client(f"http://127.0.0.1:{port}") as client,
        fleet(client, size, subprotocol) as satellites,
        asyncio.timeout(20),
    ):
        yield satellites


class TinyConductor:
    """Welcomes satellites with the right token, launches one job on each, keeps what they say."""

    def __init__(self, refuses: bool = False) -> None:
        self.refuses = refuses
        self.said: list[tuple[str, Any]] = []
        self.finished: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._servers = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers.get("Upgrade") == "websocket":
            return await self._socket(request)
        match request.path:
            case "/api/app/get_satellite_token/v1":
                answer: Any = {"code": 0, "token": "t" * 64}
            case "/api/app/satellite/config":
                assert request.query["t"] == "t" * 64
                self._servers += 1
                answer = {"server_id": f"s{self._servers}", "auth_token": f"token of s{self._servers}"}
            case "/api/app/finish_job":
                await self.finished.put(await request.json())
                answer = {"code": 0}
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _socket(self, request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=(SUBPROTOCOL,))
        await socket.prepare(request)
        encoding = encoding_for(socket.ws_protocol)

        async def tell(cmd: str, data: Any) -> None:
            message = encoding.encode(cmd, data)
            await (socket.send_bytes(message) if encoding.binary else socket.send_str(message.decode()))

        async for message in socket:
            assert (message.type is WSMsgType.BINARY) == encoding.binary
            frame = encoding.decode(message.data)
            self.said.append((frame.cmd, frame.data))
            match frame.cmd:
                case "hello":
                    await tell("echo", {"id": "e1", "last_ping_ms": 0})
                    await tell("hello", {"nonce": "n", "id": frame.data["id"]})
                case "join" if self.refuses:
                    await tell("auth_failure", {"description": "Invalid authentication token."})
                case "join":
                    assert frame.data["token"].startswith("token of s")
                    await tell("joined", {"features": {"api_finish_job": True}})
                    launch = {"job": {"id": "j1", "state": "active"}, "details": {}, "sec": {}, "attempt": 1}
                    await tell("launch_job", launch)
                case "job_result":
                    await self.finished.put(frame.data)
                    await tell("result_ack", {"id": frame.data["id"], "attempt": frame.data["attempt"]})
        return socket

    def commands(self) -> list[str]:
        return [cmd for cmd, _ in self.said]


async def test_the_base_protocol_delivers_results_by_http() -> None:
    conductor = TinyConductor()
    async with met(conductor, 1) as [satellite]:
        finished = await conductor.finished.get()
        assert not satellite.acknowledges
    assert conductor.commands() == ["hello", "echoback", "join"]
    assert (finished["id"], finished["server"], finished["auth"]) == ("j1", "s1", "token of s1")
    assert (finished["job"]["state"], finished["job"]["code"], finished["job"]["id"]) == ("complete", 0, "j1")


async def test_the_extension_delivers_results_on_the_socket() -> None:
    conductor = TinyConductor()
    async with met(conductor, 1, SUBPROTOCOL) as [satellite]:
        finished = msgspec.convert(await conductor.finished.get(), JobResult)
        await satellite.send_samples({}, 1)
        assert (satellite.acknowledges, satellite.acknowledged) == (True, 1)
    said = dict(conductor.said)
    assert msgspec.convert(said["resume"], Resume) == Resume()
    assert (finished.id, finished.attempt, finished.log_size, finished.job["code"]) == ("j1", 1, 0, 0)


async def test_samples_are_counted_as_sent_only_once_they_are_read() -> None:
    conductor = TinyConductor()
    async with met(conductor, 3) as satellites:
        await asyncio.gather(*(satellite.send_samples(minute_sample(), 20) for satellite in satellites))
        assert conductor.commands().count("monitor") == 60
    samples = [data for cmd, data in conductor.said if cmd == "monitor"]
    assert {sample["server"] for sample in samples} == {satellite.id for satellite in satellites}
    assert 26_000 < len(msgspec.json.encode(samples[0])) < 29_000


async def test_a_refused_satellite_says_why() -> None:
    with pytest.raises(FleetError, match=r"auth_failure.*Invalid authentication"):
        async with met(TinyConductor(refuses=True), 1):
            pytest.fail("it was welcomed")
