"""The satellite as a service: its units, its one instance, its commands."""

import os
import plistlib
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from satellite.drain import DRAINED
from satellite.service import boot
from satellite.service.boot import launchd_plist, systemd_unit
from satellite.service.control import CANNOT_START, control
from satellite.service.crash import note_crash
from satellite.service.instance import AlreadyRunning, Instance, running

DEPLOY = Path(__file__).parents[3] / "deploy"
COMMAND = ["/opt/opsorbit/bin/opsorbit-satellite", "--data-dir", "/var/lib/opsorbit-satellite"]


def test_the_unit_that_is_shipped_is_the_one_that_is_installed() -> None:
    shipped = (DEPLOY / "systemd" / "opsorbit-satellite.service").read_text()
    assert shipped == systemd_unit(["/usr/bin/env", *COMMAND])
    shipped = (DEPLOY / "launchd" / "org.opsorbit.satellite.plist").read_text()
    assert shipped == launchd_plist(COMMAND, Path("/var/lib/opsorbit-satellite"))


def test_jobs_outlive_the_units_restart() -> None:
    lines = systemd_unit(COMMAND).splitlines()
    assert "KillMode=process" in lines
    assert "Restart=always" in lines
    assert {f"{name}ExitStatus={DRAINED}" for name in ("RestartPrevent", "Success")} <= set(lines)
    described = plistlib.loads(launchd_plist(COMMAND, Path("/d & d")).encode())
    assert described["AbandonProcessGroup"] is True
    assert described["ProgramArguments"] == COMMAND
    assert described["StandardErrorPath"] == "/d & d/logs/satellite.log"


def test_a_units_command_may_have_spaces_and_percents() -> None:
    assert 'ExecStart="/a b/c" 100%%' in systemd_unit(["/a b/c", "100%"]).splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_takes_the_units_and_finds_the_conductors_tight() -> None:
    checked = subprocess.run(
        [str(DEPLOY / "systemd" / "check")], capture_output=True, text=True, timeout=60, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_one_satellite_has_a_data_directory(tmp_path: Path) -> None:
    assert running(tmp_path) is None
    with Instance(tmp_path):
        assert running(tmp_path) == os.getpid()
        with pytest.raises(AlreadyRunning), Instance(tmp_path):
            pass
        assert running(tmp_path) == os.getpid()
    assert running(tmp_path) is None


def test_a_killed_satellites_file_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "satellite.pid").write_text("1\n")
    assert running(tmp_path) is None
    with Instance(tmp_path):
        assert running(tmp_path) == os.getpid()


def test_what_ended_it_is_kept_for_the_next_join(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="odd"), note_crash(tmp_path):
        raise ValueError("odd")
    assert "ValueError: odd" in (tmp_path / "logs" / "crash.log").read_text()
    with pytest.raises(SystemExit), note_crash(tmp_path / "other"):
        sys.exit(1)
    assert not (tmp_path / "other").exists()


def test_commands_tell_by_their_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert control("status", tmp_path, None, None) == CANNOT_START
    assert control("stop", tmp_path, None, None) == 0
    assert "not running" in capsys.readouterr().out


def test_a_satellite_that_cannot_start_is_told_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text("{")
    assert control("start", tmp_path, tmp_path / "config.json", None) == CANNOT_START
    assert "did not start" in capsys.readouterr().err
    assert "config.json" in (tmp_path / "logs" / "satellite.log").read_text()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A host whose systemd has the satellite of `tmp_path / "data"` as its service. What systemctl was told."""
    told, data = tmp_path / "told", tmp_path / "data"
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom satellite.service.instance import Instance\n"
        "with Instance(Path(sys.argv[1])):\n    time.sleep(60)\n"
    )
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "systemctl").write_text(
        f"""#!/bin/sh
echo "$1" >> {told}
case $1 in
    show) cat {data}/satellite.pid ;;
    start) mkdir -p {data}; {sys.executable} {program} {data} >/dev/null 2>&1 & ;;
    stop) kill "$(cat {data}/satellite.pid)" ;;
esac
"""
    )
    (commands / "systemctl").chmod(0o755)
    monkeypatch.setenv("PYTHONPATH", str(DEPLOY.parent))
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    units = tmp_path / "units"
    units.mkdir()
    monkeypatch.setattr(boot, "_SYSTEMD_FOLDER", units)
    monkeypatch.setattr(boot, "_SYSTEMD_RUNS", units)
    command = [sys.executable, "-m", "satellite.main", "--data-dir", str(data)]
    (units / boot.SYSTEMD_NAME).write_text(systemd_unit(command))
    yield told
    if pid := running(data):
        os.kill(pid, signal.SIGKILL)


def test_a_service_is_started_and_stopped_by_its_manager(systemd: Path, tmp_path: Path) -> None:
    """It starts again what ends by itself: `stop` by a signal alone stopped nothing."""
    data = tmp_path / "data"
    assert control("start", data, None, None) == 0
    assert running(data)
    assert control("restart", data, None, None) == 0
    assert control("stop", data, None, None) == 0
    assert running(data) is None
    assert systemd.read_text().split() == ["start", "show", "stop", "start", "show", "stop"]


def test_another_satellite_beside_the_service_is_its_own(systemd: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text("{")
    assert control("start", other, None, None) == CANNOT_START
    assert not systemd.exists(), "systemd was not asked to start anything"
