"""Conductors and satellites as child processes: started, awaited, signalled, stopped.

Used by the demonstration, the tests and the benchmarks. A child runs in a session of its own, so that a
terminal's Ctrl-C reaches only the parent, which then stops its children in order; its output goes to a file.
"""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import aiohttp

DEFAULT_PORT = 5522
LOOPBACK = "127.0.0.1"

START_TIMEOUT = 30.0
"""Seconds a process may take from its start to its first answer."""
STOP_TIMEOUT = 20.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL = 0.02

_SOURCE = Path(__file__).resolve().parents[2]
"""What holds the packages: the children find the same code, installed or not."""


class ProcessError(Exception):
    """A process ended early or did not answer in time; the text has the end of its output."""


class Process:
    """One child process. `start` may be called again after it has ended; its output is appended."""

    def __init__(
        self,
        name: str,
        entry: str,
        arguments: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`entry` is `module:function`, as in the project's console scripts.

        `environment` is added to the parent's, without its own OPSORBIT_… variables: what somebody has
        exported for another conductor must not reach this one.
        """
        module, function = entry.split(":")
        code = f"import sys; from {module} import {function}; sys.exit({function}())"
        self.name = name
        self.log = log
        self._command = [sys.executable, "-c", code, *arguments]
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("OPSORBIT_")},
            **(environment or {}),
        }
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        if self.running:
            raise ProcessError(f"{self.name} is already running")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._child = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=_SOURCE,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._started().pid

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    def output(self) -> str:
        """Everything the process has written, over all its starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def signal(self, number: int) -> None:
        """Send a signal; to a process that has ended, nothing happens."""
        self._started().send_signal(number)

    async def exited(self, timeout: float) -> int:
        """The exit status once the process has ended. Raises ProcessError after `timeout` seconds."""
        await self.until(lambda: not self.running, timeout, "end")
        return self._started().returncode

    async def stop(self, timeout: float = STOP_TIMEOUT) -> int:
        """Ask it to end and wait; after `timeout` seconds it is killed. Returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return await self.exited(timeout)
        except ProcessError:
            return await self.kill()

    async def kill(self) -> int:
        """SIGKILL, and wait until it is gone. Its children live on, as after any kill -9."""
        self.signal(signal.SIGKILL)
        return await self.exited(STOP_TIMEOUT)

    async def until(self, condition: Callable[[], bool], timeout: float, what: str) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise ProcessError(f"{self.name} did not {what} within {timeout:g} s\n{self._tail()}")
            await asyncio.sleep(_POLL)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise ProcessError(f"{self.name} was never started")
        return self._child

    def _tail(self, lines: int = 30) -> str:
        return "\n".join(self.output().splitlines()[-lines:])


class Conductor(Process):
    """`opsorbit-conductor` on one data directory and one port of this host."""

    def __init__(
        self,
        data: Path,
        *,
        port: int | None = None,
        environment: Mapping[str, str] | None = None,
        config: Path | None = None,
        name: str = "conductor",
        entry: str = "conductor.main:main",
    ) -> None:
        """`entry` is another way in, with the same arguments: benchmarks measure variants."""
        self.data = data
        self.port = port if port is not None else free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        super().__init__(
            name,
            entry,
            [
                "--data-dir",
                str(data),
                "--port",
                str(self.port),
                *(["--config", str(config)] if config else []),
            ],
            log=data.with_name(f"{data.name}.log"),
            environment={
                "OPSORBIT_WEBSERVER__BIND": LOOPBACK,
                "OPSORBIT_BASE_APP_URL": self.url,
                # What satellites are told at each join must name the port that this one listens on.
                "OPSORBIT_SATELLITE__CONFIG__PORT": str(self.port),
                **(environment or {}),
            },
        )

    async def ready(self, timeout: float = START_TIMEOUT) -> None:
        """Return when it answers as the primary. Raises ProcessError when it ends or `timeout` passes."""
        await self.answers(200, timeout)

    async def answers(self, status: int, timeout: float = START_TIMEOUT) -> None:
        """Return when `/health` answers with `status`: 200 from the primary, 503 from a standby."""
        deadline = time.monotonic() + timeout
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while await _status(session, f"{self.url}/health") != status:
                if not self.running:
                    raise ProcessError(
                        f"{self.name} ended with status {self._started().returncode}\n{self._tail()}"
                    )
                if time.monotonic() > deadline:
                    raise ProcessError(f"{self.name} gave no {status} within {timeout:g} s\n{self._tail()}")
                await asyncio.sleep(_POLL)


class Satellite(Process):
    """`opsorbit-satellite` on one data directory; `config` is the file its conductor made for it."""

    def __init__(
        self,
        data: Path,
        config: Path,
        *,
        environment: Mapping[str, str] | None = None,
        name: str = "satellite",
    ) -> None:
        self.data = data
        self.config = config
        super().__init__(
            name,
            "satellite.main:main",
            ["--data-dir", str(data), "--config", str(config)],
            log=data.with_name(f"{data.name}.log"),
            environment=environment,
        )


def free_port(preferred: int | None = None) -> int:
    """`preferred` if nothing listens there, else a port that is free at this moment."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ProcessError("no free port on this host")


async def _status(session: aiohttp.ClientSession, url: str) -> int:
    try:
        async with session.get(url) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return 0
