"""A real satellite process against a scripted conductor."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from tests.integration.satellite.conductor_peer import PATIENCE, TOKEN, Peer

ROOT = Path(__file__).parents[3]


class Satellite:
    """The process, its data directory, and what is in it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self._process: asyncio.subprocess.Process | None = None

    def configure(self, port: int, **changes: object) -> None:
        self.data.mkdir(exist_ok=True)
        config = {
            "hosts": ["127.0.0.1"],
            "port": port,
            "server_id": "s1",
            "auth_token": TOKEN,
            "socket_reconnect_delay_sec": 0.05,
            "socket_reconnect_delay_max": 0.2,
            "auth_retry_delay_sec": 0.2,
            "quickmon_enabled": False,
            "monitoring_enabled": False,
        }
        (self.data / "config.json").write_bytes(msgspec.json.encode(config | changes))

    async def start(self, **environment: str) -> None:
        log = open(self.data / "satellite.log", "ab")  # noqa: SIM115, ASYNC230
        with log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-W",
                "error",
                "-m",
                "satellite.main",
                "--data-dir",
                str(self.data),
                cwd=ROOT,
                env=os.environ | {"XYSAT_hidden": "x", **environment},
                stderr=log,
                stdout=log,
            )

    async def ended(self) -> int:
        assert self._process is not None
        async with asyncio.timeout(PATIENCE):
            return await self._process.wait()

    async def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        await self.ended()

    async def stop(self) -> int:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
        return await self.ended()

    def directories(self) -> list[Path]:
        return [path for path in (self.data / "jobs").iterdir() if path.is_dir()]

    def kill_leftovers(self) -> None:
        """End what a failed test left running: exactly the sessions our directories name."""
        for path in self.directories() if (self.data / "jobs").exists() else []:
            started = path / "started"
            if started.exists() and not (path / "exit").exists():
                pid = int(started.read_text().split(" ")[0] or 0)
                try:
                    if pid > 1:
                        os.killpg(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer(acknowledged=True) as peer:
        yield peer


@pytest.fixture
async def base_peer() -> AsyncIterator[Peer]:
    async with Peer(acknowledged=False) as peer:
        yield peer


@pytest.fixture
async def satellite(tmp_path: Path) -> AsyncIterator[Satellite]:
    satellite = Satellite(tmp_path / "satellite")
    yield satellite
    if satellite._process is not None:
        await satellite.stop()
    satellite.kill_leftovers()


# One satellite for all tests of a module, in either protocol


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def acknowledged(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Peer, Satellite]]:
    async for pair in _pair(True, tmp_path_factory):
        yield pair


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Peer, Satellite]]:
    async for pair in _pair(False, tmp_path_factory):
        yield pair


async def _pair(
    speaks_ours: bool, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Peer, Satellite]]:
    satellite = Satellite(tmp_path_factory.mktemp("jobs") / "satellite")
    async with Peer(acknowledged=speaks_ours) as peer:
        satellite.configure(peer.port)
        await satellite.start()
        await peer.joined()
        yield peer, satellite
        await satellite.stop()
        satellite.kill_leftovers()


@pytest.fixture
def joined(acknowledged: tuple[Peer, Satellite]) -> Peer:
    acknowledged[0].reset()
    return acknowledged[0]


@pytest.fixture(params=["acknowledged", "base"])
def both(request: pytest.FixtureRequest) -> Peer:
    peer: Peer = request.getfixturevalue(request.param)[0]
    return peer
