import os
import signal
import socket
from pathlib import Path

import pytest

from conductor.cli.processes import LOOPBACK, Conductor, Process, ProcessError, free_port

PROGRAMS = "tests.integration.cli.programs"


async def _up(process: Process) -> None:
    process.start()
    await process.until(lambda: process.output().endswith("up\n"), 10, "come up")


async def test_it_gets_its_arguments_and_only_its_own_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPSORBIT_TTL", "60")
    process = Process(
        "teller",
        f"{PROGRAMS}:says_what_it_got",
        ["--port", "1"],
        log=tmp_path / "log",
        environment={"OPSORBIT_TZ": "UTC"},
    )
    process.start()
    assert await process.exited(10) == 7
    assert process.output() == "--port 1 none UTC\n"


async def test_a_stop_is_a_request_first(tmp_path: Path) -> None:
    process = Process("polite", f"{PROGRAMS}:leaves_when_asked", [], log=tmp_path / "log")
    await _up(process)
    assert os.getsid(process.pid) == process.pid, "a terminal's signals do not reach it"
    assert await process.stop() == 3
    assert not process.running


async def test_what_does_not_listen_is_killed(tmp_path: Path) -> None:
    process = Process("deaf", f"{PROGRAMS}:does_not_listen", [], log=tmp_path / "log")
    await _up(process)
    assert await process.stop(timeout=0.1) == -signal.SIGKILL


async def test_it_may_be_started_again_after_its_end_only(tmp_path: Path) -> None:
    process = Process("twice", f"{PROGRAMS}:leaves_when_asked", [], log=tmp_path / "log")
    await _up(process)
    with pytest.raises(ProcessError, match="already running"):
        process.start()
    await process.kill()
    process.start()
    await process.until(lambda: process.output() == "up\nup\n", 10, "come up again")
    await process.kill()


async def test_waiting_in_vain_shows_the_output(tmp_path: Path) -> None:
    process = Process("silent", f"{PROGRAMS}:leaves_when_asked", [], log=tmp_path / "log")
    await _up(process)
    with pytest.raises(ProcessError, match=r"silent did not end within 0.05 s\nup"):
        await process.exited(0.05)
    await process.kill()


async def test_a_conductor_that_ends_early_is_not_waited_for(tmp_path: Path) -> None:
    conductor = Conductor(tmp_path / "data", port=0, config=tmp_path / "missing.toml")
    conductor.start()
    with pytest.raises(ProcessError, match="conductor ended with status 1"):
        await conductor.ready()


def test_a_free_port_is_the_preferred_one_unless_somebody_listens() -> None:
    port = free_port()
    assert free_port(port) == port
    with socket.socket() as listener:
        listener.bind((LOOPBACK, port))
        listener.listen()
        assert free_port(port) != port
