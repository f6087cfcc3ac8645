"""One run of a scheduler plugin: a process on the conductor (contract scheduler.md §11, plugins.md §6)."""

import asyncio
import os
import pwd
import signal
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from grp import getgrnam
from pathlib import Path
from shlex import quote
from typing import Any, NamedTuple

import msgspec

from conductor.definitions.json_values import is_number
from conductor.schedule.launches import Doc

DEFAULT_SECONDS = 30.0
MAX_OUTPUT = 1024 * 1024
"""Bytes of each stream; a plugin that writes more is ended."""
_CHUNK = 65_536
_END_SECONDS = 5.0
_PRIVATE = ("XYOPS_", "OPSORBIT_")
"""Variables of the conductor's own environment that no plugin sees."""


class Run(NamedTuple):
    """What a plugin's process did. `problem` is empty when `items` holds its answer."""

    command: str
    stdout: str = ""
    stderr: str = ""
    problem: str = ""
    data: Mapping[str, Any] | None = None

    @property
    def items(self) -> list[Any]:
        items = self.data.get("items") if self.data else None
        return items if isinstance(items, list) else []


class RunAs(NamedTuple):
    uid: str | int = ""
    gid: str | int = ""


class _Stopped(Exception):
    """The process was ended by us, and why."""


async def run_plugin(
    plugin: Doc, request: Mapping[str, Any], *, environment: Mapping[str, str], run_as: RunAs
) -> Run:
    """Give the plugin one line of JSON and read the last line that it writes. Never raises for its failures.

    It runs in a session of its own, which is killed at its timeout, with more output than it may write, and
    when this call is cancelled.
    """
    command = str(plugin.get("command") or "")
    with tempfile.TemporaryDirectory(prefix="opsorbit-plugin-") as folder:
        Path(folder).chmod(0o755)
        if script := plugin.get("script"):
            command = f"{command} {quote(str(_written(Path(folder), str(script))))}"
        try:
            child = await asyncio.create_subprocess_shell(
                command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                cwd=str(plugin.get("cwd") or "") or tempfile.gettempdir(),
                start_new_session=True,
                **_identity(run_as, environment),
            )
        except (OSError, LookupError, ValueError) as error:
            return Run(command, problem=str(error))
        try:
            return await _talk(child, command, msgspec.json.encode(request) + b"\n", _seconds(plugin))
        finally:
            await _end(child)


async def _end(child: asyncio.subprocess.Process) -> None:
    """Kill what is left of its session, and take leave of it."""
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # of what has left the session and keeps the pipes open
        async with asyncio.timeout(_END_SECONDS):
            # Nobody is told of its end while its pipes are full.
            await asyncio.gather(*(_drained(stream) for stream in (child.stdout, child.stderr) if stream))
            await child.wait()


async def _drained(stream: asyncio.StreamReader) -> None:
    while await stream.read(_CHUNK):
        pass


def _written(folder: Path, script: str) -> Path:
    file = folder / "script"
    file.write_text(script.replace("\r\n", "\n"), errors="replace")
    file.chmod(0o755)
    return file


async def _talk(child: asyncio.subprocess.Process, command: str, request: bytes, seconds: float) -> Run:
    assert child.stdin is not None  # noqa: S101 - all three are pipes
    assert child.stdout is not None  # noqa: S101
    assert child.stderr is not None  # noqa: S101
    streams: list[bytearray] = [bytearray(), bytearray()]
    problem = ""
    try:
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            group.create_task(_give(child.stdin, request))
            group.create_task(_take(child.stdout, streams[0]))
            group.create_task(_take(child.stderr, streams[1]))
            group.create_task(child.wait())
    except TimeoutError:
        problem = f"The plugin did not end within {seconds:g} seconds."
    except BaseExceptionGroup as errors:
        stopped, other = errors.split(_Stopped)
        if stopped is None or other is not None:
            raise
        problem = str(stopped.exceptions[0])
    stdout, stderr = (bytes(stream).decode(errors="replace") for stream in streams)
    if not problem and child.returncode:
        code = child.returncode
        problem = (
            f"The plugin ended by signal {-code}." if code < 0 else f"The plugin exited with code {code}."
        )
    if problem:
        return Run(command, stdout, stderr, problem)
    return _answer(command, stdout, stderr)


async def _give(stream: asyncio.StreamWriter, request: bytes) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):  # it need not read what it is told
        stream.write(request)
        await stream.drain()
        stream.close()
        await stream.wait_closed()


async def _take(stream: asyncio.StreamReader, into: bytearray) -> None:
    while chunk := await stream.read(_CHUNK):
        into += chunk
        if len(into) > MAX_OUTPUT:
            del into[MAX_OUTPUT:]
            raise _Stopped(f"The plugin wrote more than {MAX_OUTPUT} bytes.")


def _answer(command: str, stdout: str, stderr: str) -> Run:
    """Only the last line that is not blank counts."""
    lines = [line for line in stdout.splitlines() if line.strip()]
    if not lines:
        return Run(command, stdout, stderr, "The plugin has answered nothing.")
    try:
        data = msgspec.json.decode(lines[-1].encode())
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        return Run(command, stdout, stderr, f"The plugin's last line is no JSON: {error}")
    if (
        not isinstance(data, dict)
        or not data.get("xy")
        or not isinstance(data.get("items"), list)
        or not data["items"]
    ):
        return Run(command, stdout, stderr, "The plugin's answer has no `xy` or no `items`.")
    return Run(command, stdout, stderr, "", data)


def _seconds(plugin: Doc) -> float:
    timeout = plugin.get("timeout")
    return float(timeout) if is_number(timeout) and 0 < timeout < 86_400 else DEFAULT_SECONDS


def _identity(run_as: RunAs, environment: Mapping[str, str]) -> dict[str, Any]:
    """User, group and environment of the process. Raises LookupError for names that the host does not know."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(_PRIVATE)}
    made: dict[str, Any] = {"env": {**inherited, **environment}}
    if run_as.uid not in ("", None):
        user = _user(run_as.uid)
        made["env"] |= {
            "USER": user.pw_name, "USERNAME": user.pw_name, "HOME": user.pw_dir, "SHELL": user.pw_shell,
        }  # fmt: skip
        if user.pw_uid != os.getuid():
            made |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    if run_as.gid not in ("", None):
        group = _group(run_as.gid)
        if group != os.getgid():
            made["group"] = group
    return made


def _user(uid: str | int) -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(int(uid)) if str(uid).isdecimal() else pwd.getpwnam(str(uid))
    except (KeyError, OverflowError):
        raise LookupError(f"Could not determine user information for: {uid}") from None


def _group(gid: str | int) -> int:
    try:
        return int(gid) if str(gid).isdecimal() else getgrnam(str(gid)).gr_gid
    except KeyError:
        raise LookupError(f"Could not determine group information for: {gid}") from None
