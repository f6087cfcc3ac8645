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
    if Path("/run/systemd/system").is_dir():
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
        if Path("/run/systemd/system").is_dir():
            _run("systemctl", "daemon-reload")
        return f"removed {path}"
    return "there was no service"


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
