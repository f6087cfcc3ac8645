"""The satellite in the host's boot: a systemd unit, or a LaunchDaemon on macOS."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.sax.saxutils import escape

SYSTEMD_NAME = "opsorbit-satellite.service"
LAUNCHD_NAME = "org.opsorbit.satellite"
_SYSTEMD_FOLDER = Path("/etc/systemd/system")
_SYSTEMD_RUNS = Path("/run/systemd/system")
_LAUNCHD_FOLDER = Path("/Library/LaunchDaemons")
_TEMPLATES = Path(__file__).parent / "templates"
_TIMEOUT = 60.0


class NoServiceError(Exception):
    """This host has no way of starting the satellite at its boot that we know."""


def install(command: Sequence[str], data: Path) -> str:
    """Have the host start `command` at its boot, not yet now; returns what was done.

    Raises OSError, CalledProcessError or NoServiceError.
    """
    if os.getuid() != 0:
        raise NoServiceError("Only root can install a service of the host.")
    if sys.platform == "darwin":
        path = _LAUNCHD_FOLDER / f"{LAUNCHD_NAME}.plist"
        path.write_text(launchd_plist(command, data))
        return f"installed {path}"
    if shutil.which("systemctl") is None:
        raise NoServiceError("There is no systemd here; start the satellite by other means at boot.")
    path = _SYSTEMD_FOLDER / SYSTEMD_NAME
    path.write_text(systemd_unit(command))
    if _SYSTEMD_RUNS.is_dir():
        _run("systemctl", "daemon-reload")
    _run("systemctl", "enable", SYSTEMD_NAME)
    return f"installed {path}"


def remove() -> str:
    """Undo `install`; the satellite itself runs on. Raises OSError or CalledProcessError."""
    if sys.platform == "darwin":
        (_LAUNCHD_FOLDER / f"{LAUNCHD_NAME}.plist").unlink(missing_ok=True)
        return f"removed {LAUNCHD_NAME}"
    path = _SYSTEMD_FOLDER / SYSTEMD_NAME
    if path.exists():
        _run("systemctl", "disable", SYSTEMD_NAME)
        path.unlink()
        if _SYSTEMD_RUNS.is_dir():
            _run("systemctl", "daemon-reload")
        return f"removed {path}"
    return "there was no service"


def starts(command: Sequence[str]) -> bool:
    """Whether systemd is there and has exactly this command as the satellite's service."""
    try:
        return _SYSTEMD_RUNS.is_dir() and (_SYSTEMD_FOLDER / SYSTEMD_NAME).read_text() == systemd_unit(
            command
        )
    except OSError:
        return False


def supervises(pid: int) -> bool:
    """Whether systemd runs this process as the satellite's service, and would start it again."""
    if shutil.which("systemctl") is None:
        return False
    asked = ["systemctl", "show", "--property", "MainPID", "--value", SYSTEMD_NAME]
    try:
        answer = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=_TIMEOUT).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.strip() == str(pid)


def have(verb: str) -> None:
    """`start` or `stop` the service. Raises CalledProcessError, TimeoutExpired or OSError."""
    _run("systemctl", verb, SYSTEMD_NAME)


def systemd_unit(command: Sequence[str]) -> str:
    return _filled("opsorbit-satellite.service", COMMAND=" ".join(_quoted(part) for part in command))


def launchd_plist(command: Sequence[str], data: Path) -> str:
    return _filled(
        "org.opsorbit.satellite.plist",
        COMMAND="\n    ".join(f"<string>{escape(part)}</string>" for part in command),
        LOG=escape(str(data / "logs" / "satellite.log")),
    )


def _filled(template: str, **values: str) -> str:
    text = (_TEMPLATES / template).read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def _quoted(text: str) -> str:
    """As systemd reads it: `%` and spaces mean something there."""
    text = text.replace("%", "%%")
    return f'"{text}"' if " " in text else text


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT)
