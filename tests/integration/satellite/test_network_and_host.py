"""What surrounds a satellite and goes wrong: names, servers that are no conductor, clocks, what cannot be written."""

import asyncio
import os
import resource
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.integration.satellite.conductor_peer import PATIENCE, Peer
from tests.integration.satellite.conftest import Satellite
from tests.integration.satellite.test_trouble import fine, limit

NOWHERE = "no-such-host.invalid"


async def said(satellite: Satellite, text: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while text not in (satellite.data / "satellite.log").read_text():
            await asyncio.sleep(0.02)


async def test_names_that_do_not_resolve_are_passed_over(peer: Peer, satellite: Satellite) -> None:
    """DNS fails: the host that admitted us is asked again although nobody names it any more."""
    satellite.configure(peer.port, hosts=[NOWHERE])
    await satellite.start()
    await said(satellite, f"http://{NOWHERE}:{peer.port}")
    await satellite.stop()
    satellite.configure(peer.port, hosts=[NOWHERE, "127.0.0.1"])
    await satellite.start()
    await peer.joined()
    await peer.send("masterData", {"masters": [NOWHERE, f"other.{NOWHERE}"]})
    job_id = await peer.launch("#!/bin/sh\nsleep 0.3\necho on\n")
    await peer.until(lambda: peer.logs.get(job_id) is not None or job_id in str(peer.frames))
    await peer.drop()
    await peer.joined(2)
    assert (await peer.result(job_id))["code"] == 0
    assert peer.logs[job_id] == b"on\n"


async def test_a_request_to_a_name_that_does_not_resolve_is_the_jobs_error(
    peer: Peer, satellite: Satellite
) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(command="[http-plugin]", params={"method": "GET", "url": f"http://{NOWHERE}/"})
    job = await peer.result(job_id)
    assert job["code"] not in (0, False)
    assert NOWHERE in job["description"]
    await fine(peer)


class Stranger:
    """Listens where the conductor was. In each of its moods it takes one visitor, then the next mood's turn comes."""

    MOODS = (
        b"",
        b"\x16\x03\x01\x00\xff\x00" * 50,
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + b"\xff" * 4000,
        b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n",
        b"x" * 200_000,
    )

    def __init__(self) -> None:
        self.visitors = 0

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._take, "127.0.0.1", port)
        try:
            yield
        finally:
            server.close()
            await server.wait_closed()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mood = self.MOODS[self.visitors % len(self.MOODS)]
        self.visitors += 1
        try:
            if mood:
                await reader.read(1000)
                writer.write(mood)
                await writer.drain()
            else:
                await reader.read()  # says nothing until the visitor has lost patience
        except ConnectionError:
            pass
        finally:
            writer.transport.abort()


async def test_servers_that_are_no_conductor_are_left_and_the_jobs_go_on(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    """Rubbish from whatever listens at the conductor's address, before there is a connection at all."""
    gate = tmp_path / "gate"
    satellite.configure(peer.port, connect_timeout_sec=0.3)
    await satellite.start()
    await peer.joined()
    job_id = await peer.launch(
        f'#!/bin/sh\necho one\nwhile [ ! -e "{gate}" ]; do sleep 0.05; done\necho two\n'
    )
    await peer.until(lambda: peer.logs.get(job_id) == b"one\n")
    await peer.stop()
    stranger = Stranger()
    async with stranger.listening(peer.port):
        await peer.until_later(lambda: stranger.visitors > 2 * len(Stranger.MOODS))
        gate.touch()
    await peer.listen()
    await peer.joined(2)
    assert (await peer.result(job_id))["code"] == 0
    assert peer.logs[job_id] == b"one\ntwo\n"


async def test_a_clock_that_jumps_ends_no_job_and_stops_no_sample(
    peer: Peer, satellite: Satellite, tmp_path: Path
) -> None:
    gate, clock = tmp_path / "gate", tmp_path / "clock"
    satellite.configure(peer.port, quickmon_enabled=True, monitoring_enabled=True)
    await satellite.start(OPSORBIT_CLOCK_STEP=str(clock))
    await peer.joined()
    limits = [limit("time", duration=3600), limit("mem", amount=10**9, duration=600)]
    job_id = await peer.launch(
        f'#!/bin/sh\necho one\nwhile [ ! -e "{gate}" ]; do sleep 0.05; done\necho two\n', limits=limits
    )
    await peer.until(lambda: peer.logs.get(job_id) == b"one\n")
    for step in (7 * 86400, -7 * 86400, 0):
        clock.write_text(str(step))
        seen = len(peer.of("quickmon"))
        await peer.until(lambda seen=seen: len(peer.of("quickmon")) >= seen + 2)
    gate.touch()
    assert (await peer.result(job_id))["code"] == 0
    assert peer.logs[job_id] == b"one\ntwo\n"
    assert peer.joins == 1


async def test_a_bound_on_the_size_of_files_is_the_jobs_own_trouble(peer: Peer, satellite: Satellite) -> None:
    """A quota: what the satellite's own files cannot hold ends the job that writes it, and no other."""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    assert satellite._process is not None
    resource.prlimit(satellite._process.pid, resource.RLIMIT_FSIZE, (200_000, 200_000))
    job = await peer.result(await peer.launch("#!/bin/sh\nexec head -c 1000000 /dev/zero\n"))
    assert job["code"] not in (0, False)
    await fine(peer)


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder with a satellite's settings in which nothing can be written."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    Satellite(folder / "satellite").configure(1)
    if os.getuid() != 0:
        (folder / "satellite").chmod(0o500)
        yield folder
        (folder / "satellite").chmod(0o700)
        return
    mounted = subprocess.run(["mount", "--bind", folder, folder], check=False, capture_output=True)
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=False)


async def test_a_home_that_is_read_only_is_said_in_a_sentence(read_only: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "satellite.main", "--data-dir", str(read_only / "satellite")),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(PATIENCE):
        output, _ = await process.communicate()
    assert process.returncode == 1
    assert "Traceback" not in output.decode()
    assert str(read_only / "satellite") in output.decode()
