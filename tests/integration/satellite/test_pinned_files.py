"""Job files travel over connections that are checked as the satellite's own: by the pinned authority."""

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web

from conductor.cli.certificates import make_certificate
from satellite.jobs.conductor_files import ConductorFiles
from satellite.jobs.inputs import InputFile
from satellite.settings import Config
from satellite.tls import Tls
from tests.processes import LOOPBACK, free_port

FILE = InputFile(name="a.txt", path="files/a.txt", size=5, sha256="")


class Store:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.asked = 0
        self.folder = folder

    async def give(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        return web.Response(body=b"hello")


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A file server under an authority of its own."""
    served = Store(tmp_path / "tls")
    make_certificate(served.folder, [LOOPBACK])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(served.folder / "tls.crt", served.folder / "tls.key")
    runner = web.ServerRunner(web.Server(served.give))
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, served.port, ssl_context=context).start()
    yield served
    await runner.cleanup()


def files(folder: Path, store: Store, authority: Path) -> ConductorFiles:
    """Of a satellite that is configured as installers leave it, but for the authority it pins."""
    file = folder / "config.json"
    settings = {"secure": True, "ca_file": str(authority), "socket_opts": {"rejectUnauthorized": False}}
    file.write_bytes(msgspec.json.encode(settings))
    config = Config.load(file)
    return ConductorFiles(config, lambda: f"https://{LOOPBACK}:{store.port}", Tls(config))


async def test_a_file_comes_from_the_pinned_conductor(tmp_path: Path, store: Store) -> None:
    conductor = files(tmp_path, store, store.folder / "ca.pem")
    await conductor.open()
    try:
        await conductor.download(FILE, tmp_path / "a.txt")
    finally:
        await conductor.close()
    assert (tmp_path / "a.txt").read_bytes() == b"hello"


async def test_no_file_comes_from_a_conductor_of_another_authority(tmp_path: Path, store: Store) -> None:
    """Better: a pinned authority is asked for files as well, whatever `rejectUnauthorized` says."""
    make_certificate(tmp_path / "other", [LOOPBACK])
    conductor = files(tmp_path, store, tmp_path / "other" / "ca.pem")
    await conductor.open()
    try:
        with pytest.raises(ssl.SSLError):
            async with conductor._get(FILE.path):
                pass
    finally:
        await conductor.close()
    assert store.asked == 0
