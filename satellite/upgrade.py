"""The satellite replaces or removes itself when the conductor says so (contract satellite_agent.md §4).

The conductor's upgrade script lays the new version beside this one and starts it. Jobs run in sessions of their
own, so that nothing waits for them: they go on, and the new version finds them again.
"""

import asyncio
import os
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import structlog

from satellite.service.crash import CRASH_LOG
from satellite.settings import Config, write_private
from satellite.tls import Tls, TlsError
from shared.clock import Seconds, monotonic

PACKAGE_NAME = "opsorbit-satellite"
_UPGRADE_LOG = "background.log"
_MOST_LOG_BYTES = 32 * 1024
_MOST_SCRIPT_BYTES = 256 * 1024
_POLL: Seconds = 0.2
_DOWNLOAD = aiohttp.ClientTimeout(total=30)
_REMOVE = 'sleep 1; "$0/bin/opsorbit-satellite" uninstall; rm -rf -- "$0"'

log = structlog.get_logger(__name__)

Send = Callable[[str, Any], None]


class UpgradeError(Exception):
    """The upgrade could not be started; the text says why."""


class Upkeep:
    """Upgrades, removal, and the reports of both. `home` is the installation; None: there is none to replace."""

    def __init__(
        self, config: Config, data: Path, home: Path | None, base_url: Callable[[], str], tls: Tls
    ) -> None:
        self._config = config
        self._data = data
        self._logs = data / "logs"
        self._home = home
        self._base_url = base_url
        self._tls = tls
        self._wanted = asyncio.Event()
        self._upgrading = False
        self._send: Send = _nowhere

    def upgrade(self, data: dict[str, Any]) -> None:
        """Begin an upgrade, unless one is under way."""
        self._wanted.set()

    def uninstall(self, data: dict[str, Any]) -> None:
        """Remove the service and the installation, data included; ends this satellite."""
        if self._home is None or not _is_ours(self._home):
            log.error("there is no installation of ours to remove", home=str(self._home))
            return
        log.warning("the conductor removes this satellite", home=str(self._home))
        _detached([_REMOVE, str(self._home)], {}, self._logs / "uninstall.log", script=False)

    def report(self, send: Send) -> None:
        """A connection is joined: tell what an upgrade or a crash left behind."""
        self._send = send
        host = self._config.settings.hostname or socket.gethostname()
        if not self._upgrading:
            self._tell("notice", f"Upgrade completed on worker server: {host}", _UPGRADE_LOG)
        self._tell("critical", f"Crash log was found on worker server: {host}", CRASH_LOG)

    async def run(self) -> None:
        """Carry out upgrades until cancelled."""
        while True:
            await self._wanted.wait()
            self._upgrading = True
            try:
                await self._upgrade()
            except UpgradeError as error:
                log.error("cannot upgrade", reason=str(error))
                self._send("error", {"description": f"Satellite cannot be upgraded: {error}"})
            finally:
                self._upgrading = False
                self._wanted.clear()

    async def _upgrade(self) -> None:
        if self._home is None or not _is_ours(self._home):
            raise UpgradeError("it does not run from an installation of the conductor's")
        script = self._data / "upgrade.sh"
        self._logs.mkdir(exist_ok=True)
        (self._logs / _UPGRADE_LOG).unlink(missing_ok=True)
        try:
            check = self._tls.check()
            write_private(script, await self._fetch(check))
            environment = self._environment(check)
        except (TlsError, OSError) as error:
            raise UpgradeError(str(error)) from None
        log.info("upgrading", home=str(self._home))
        process = _detached([str(script)], environment, self._logs / _UPGRADE_LOG)
        seconds: Seconds = self._config.settings.upgrade_timeout_sec
        # Usually nobody gets far here: the script ends us. A thread that waits for it would hold up our end.
        deadline = monotonic() + seconds
        while process.poll() is None and monotonic() < deadline:
            await asyncio.sleep(_POLL)
        if process.returncode is None:
            self._tell(
                "critical", f"Satellite upgrade did not complete within {seconds:g} seconds.", _UPGRADE_LOG
            )
        elif process.returncode != 0:
            self._tell("critical", "Satellite upgrade failed.", _UPGRADE_LOG)

    async def _fetch(self, check: ssl.SSLContext | bool) -> bytes:
        """The upgrade script, over a connection that is checked as every other one."""
        settings = self._config.settings
        query = {"s": settings.server_id, "t": settings.auth_token}
        url = f"{self._base_url()}/api/app/satellite/upgrade"
        try:
            async with (
                aiohttp.ClientSession(timeout=_DOWNLOAD) as session,
                session.get(url, params=query, ssl=check) as response,
            ):
                body = await response.content.read(_MOST_SCRIPT_BYTES)
                if response.status != 200 or not body.startswith(b"#!/bin/sh"):
                    raise UpgradeError(f"the conductor gave no script (HTTP {response.status})")
                return body
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UpgradeError(f"the script cannot be fetched: {error}") from None

    def _environment(self, check: ssl.SSLContext | bool) -> dict[str, str]:
        """What the script has to know of us. Whoever starts us again decides how it restarts us."""
        settings = self._config.settings
        supervised = os.environ.get("SYSTEMD_EXEC_PID") == str(os.getpid())
        container = any(os.environ.get(f"{prefix}_foreground") for prefix in ("SATELLITE", "XYSAT"))
        given = {
            "OPSORBIT_INSTALL_DIR": str(self._home),
            "OPSORBIT_SATELLITE_PID": str(os.getpid()),
            "OPSORBIT_RESTART": "signal" if supervised or container else "command",
        }
        if settings.ca_file or settings.ca:
            pem = Path(settings.ca_file).read_text() if settings.ca_file else settings.ca
            write_private(self._data / "ca.pem", pem.encode())
            given["OPSORBIT_CA_FILE"] = str(self._data / "ca.pem")
        elif not check:
            given["OPSORBIT_INSECURE"] = "1"
        return given

    def _tell(self, level: str, description: str, name: str) -> None:
        """Send a report with a log's end, and forget the log: it is told once."""
        path = self._logs / name
        try:
            text = path.read_bytes()[-_MOST_LOG_BYTES:].decode(errors="replace")
            path.unlink()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("a log cannot be reported", path=str(path), error=str(error))
            return
        details = f"**Log Contents:**\n\n```\n{text}\n```\n"
        self._send(level, {"description": description, "details": details})


def _is_ours(home: Path) -> bool:
    """Whether a folder holds an installation of ours, made by the conductor's script."""
    try:
        described = msgspec.json.decode((home / "package.json").read_bytes())
    except (OSError, msgspec.DecodeError):
        return False
    return (
        isinstance(described, dict) and described.get("name") == PACKAGE_NAME and (home / "versions").is_dir()
    )


def _detached(
    arguments: list[str], environment: dict[str, str], output: Path, *, script: bool = True
) -> "subprocess.Popen[bytes]":
    """A shell in a session of its own: it outlives us. Raises OSError."""
    output.parent.mkdir(exist_ok=True)
    with output.open("ab") as file:
        return subprocess.Popen(
            ["/bin/sh", *([] if script else ["-c"]), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd="/",
            env={**os.environ, **environment},
            start_new_session=True,
        )


def _nowhere(cmd: str, data: Any) -> None:
    """Not joined yet."""
