"""`[docker-plugin]`: a script or a remote runner in a container, by the docker CLI (contract plugins.md §3.6).

The container's output is the plugin's: nothing is read or copied here. A stop asks docker first, then kills the
container by its name, since the end of the client alone leaves it running.
"""

import json
import shlex
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from satellite.plugins.wire import Json, end, params_of, read_job

_PATIENCE = 9.0
"""Seconds from SIGTERM to the end of the container."""
_KILL_TIMEOUT = 5.0
_SCRIPT_MODE = "send script source"


class DockerParamsError(ValueError):
    """The container cannot be described; the text is the result's description."""


def main() -> int:
    job = read_job()
    params = params_of(job)
    docker = shutil.which("docker")
    if docker is None:
        end(1, f"Unable to locate docker CLI on {socket.gethostname()}")
        return 0
    try:
        arguments = [docker, *command(params, str(job.get("id") or ""))]
    except DockerParamsError as error:
        end(1, str(error))
        return 0
    if params.get("verbose"):
        print(f"Running: {shlex.join(arguments)}", flush=True)
    stopping = Stopping(docker, arguments[arguments.index("--name") + 1])
    stopping.listen()
    try:
        client = subprocess.Popen(arguments, stdin=subprocess.PIPE)
    except OSError as error:
        end(1, f"Docker failed: {error.strerror}")
        return 0
    stopping.started(client)
    assert client.stdin is not None  # noqa: S101
    with suppress(BrokenPipeError):
        client.stdin.write(given(params, job))
        client.stdin.flush()
    with suppress(BrokenPipeError):
        client.stdin.close()
    status = client.wait()
    stopping.ended()
    if status < 0:
        killer = signal.Signals(-status).name
        end(killer, f"Docker exited with code: {killer}")
    else:
        end(status, f"Docker exited with code: {status}" if status else "")
    return 0


def command(params: Mapping[str, Any], job_id: str) -> list[str]:
    """Arguments of `docker`. Pure. Raises DockerParamsError."""
    image, version = _text(params, "image_name"), _text(params, "image_ver")
    if not image or image.startswith("-"):
        raise DockerParamsError("The image has no valid name")
    name = _text(params, "cont_name") or f"xyops-job-{job_id}"
    arguments = ["run", "-i"]
    arguments += ["--rm"] if params.get("cont_rm", True) else []
    arguments += ["--init"] if params.get("cont_init", True) else []
    for option, value in (
        ("--cpus", _text(params, "cont_cpus")),
        ("--memory", _text(params, "cont_mem").replace(" ", "")),
        ("--network", _text(params, "cont_net")),
    ):
        if value and value != "0":
            arguments += [option, value]
    arguments += ["--name", name]
    try:
        arguments += shlex.split(_text(params, "cont_extras"))
        inner = shlex.split(_text(params, "cont_cmd"))
    except ValueError as error:
        raise DockerParamsError(f"Malformed extras or command: {error}") from None
    return [*arguments, f"{image}:{version}" if version else image, *inner]


def given(params: Mapping[str, Any], job: Json) -> bytes:
    """What the container reads: the job as one line, or the script."""
    if str(params.get("run_mode") or "").lower() == _SCRIPT_MODE:
        return str(params.get("script") or "").replace("\r\n", "\n").encode(errors="replace")
    return json.dumps(job).encode() + b"\n"


class Stopping:
    """Passes a stop on to docker's client; after a while kills the container.

    Signals are heard from before there is a client: what comes meanwhile is passed on as soon as there is one.
    """

    def __init__(self, docker: str, name: str) -> None:
        self._docker = docker
        self._name = name
        self._client: subprocess.Popen[bytes] | None = None
        self._asked = False
        self._timer: threading.Timer | None = None

    def listen(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self.stop)

    def started(self, client: "subprocess.Popen[bytes]") -> None:
        self._client = client
        if self._asked:
            self._pass_on(client)

    def ended(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def stop(self, number: int, frame: object) -> None:
        self._asked = True
        if self._client is not None:
            self._pass_on(self._client)

    def _pass_on(self, client: "subprocess.Popen[bytes]") -> None:
        client.send_signal(signal.SIGTERM)
        if self._timer is None:
            self._timer = threading.Timer(_PATIENCE, self._harder, (client,))
            self._timer.daemon = True
            self._timer.start()

    def _harder(self, client: "subprocess.Popen[bytes]") -> None:
        with suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [self._docker, "kill", self._name],
                check=False,
                capture_output=True,
                timeout=_KILL_TIMEOUT,
                stdin=subprocess.DEVNULL,
            )
        client.kill()


def _text(params: Mapping[str, Any], name: str) -> str:
    value = params.get(name)
    return "" if value is None else str(value).strip()
