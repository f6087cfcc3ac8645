"""`opsorbit-satellite start|stop|restart|status|install|uninstall` (contract satellite_agent.md §2).

Exit status: 0 done, 1 refused, 3 cannot start or is not running, 4 cannot stop.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from satellite.service import boot
from satellite.service.instance import running

CANNOT_START, CANNOT_STOP = 3, 4
_START_SECONDS = 20.0
_STOP_SECONDS = 30.0
_POLL = 0.05


def control(command: str, data: Path, config: Path | None, home: Path | None) -> int:
    """Carry out one command; returns the exit status."""
    match command:
        case "start":
            return start(data, config, home)
        case "stop":
            return stop(data)
        case "restart":
            return stop(data) or start(data, config, home)
        case "status":
            pid = running(data)
            print(f"running, process {pid}" if pid else "not running")
            return 0 if pid else CANNOT_START
        case "install":
            return _told(lambda: boot.install(_command(data, config, home), data))
        case _:
            status = _told(boot.remove)
            return status or stop(data)


def start(data: Path, config: Path | None, home: Path | None) -> int:
    """Start a satellite in the background, by systemd where it is its service; return once it holds its data."""
    if pid := running(data):
        print(f"already running, process {pid}")
        return 0
    command = _command(data, config, home)
    if boot.starts(command):
        failed = _told(lambda: boot.have("start"))
        if not failed and _within(_START_SECONDS, lambda: running(data) is not None):
            print(f"started, process {running(data)}")
            return 0
        print(f"it did not start; see journalctl -u {boot.SYSTEMD_NAME}", file=sys.stderr)
        return CANNOT_START
    (data / "logs").mkdir(parents=True, exist_ok=True)
    with (data / "logs" / "satellite.log").open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            start_new_session=True,
        )
    _within(_START_SECONDS, lambda: running(data) is not None or child.poll() is not None)
    if pid := running(data):
        print(f"started, process {pid}")
        return 0
    print(f"it did not start; see {data / 'logs' / 'satellite.log'}", file=sys.stderr)
    return CANNOT_START


def stop(data: Path) -> int:
    """End the satellite; its jobs go on."""
    pid = running(data)
    if pid is None:
        print("not running")
        return 0
    if boot.supervises(pid):
        if _told(lambda: boot.have("stop")):  # a signal alone, and systemd would start it again
            return CANNOT_STOP
    else:
        os.kill(pid, signal.SIGTERM)
    if _within(_STOP_SECONDS, lambda: running(data) != pid):
        print("stopped")
        return 0
    print(f"process {pid} does not stop", file=sys.stderr)
    return CANNOT_STOP


def _command(data: Path, config: Path | None, home: Path | None) -> list[str]:
    if home is not None:
        return [str(home / "bin" / "opsorbit-satellite")]
    settings = ["--config", str(config.absolute())] if config else []
    return [sys.executable, "-m", "satellite.main", "--data-dir", str(data), *settings]


def _told(step: Callable[[], str | None]) -> int:
    """Take a step and print what it says of itself; returns the exit status."""
    try:
        if said := step():
            print(said)
    except (OSError, subprocess.SubprocessError, boot.NoServiceError) as error:
        print(str(error), file=sys.stderr)
        return 1
    return 0


def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True
