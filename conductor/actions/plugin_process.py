"""Processes of action plugins on the conductor's host (contract plugins.md §5).

A plugin may print whatever it likes: what is kept is bounded, what is printed is read to its end, so that no
plugin dies of its own output. It ends with its time, with everything it has started.
"""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from conductor.actions.process_end import ProcessEnd, reap

_KEPT = 64 * 1024
"""Bytes kept of the beginning, and of the end, of each stream."""
_KILL_SECONDS = 3.0
"""Between the request to end and the end by force."""
_EOF_SECONDS = 1.0
"""How long streams may stay open after the process, in the hands of what it has started."""


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a process ended: by `code`, by `signal` (a name), or because its time was over."""

    code: int
    signal: str
    timed_out: bool
    stdout: str
    stderr: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Another user or group to run as."""

    uid: int
    gid: int
    groups: list[int] = []
    environment: Mapping[str, str] = {}


class UnknownAccount(Exception):
    """The text says which user or group does not exist."""


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `command` is a line of shell; `script`, if there is one, follows it as a file."""

    command: str
    script: str
    script_name: str
    cwd: str
    environment: Mapping[str, str]
    stdin: bytes
    timeout: float
    account: Account | None = None


class _Started(NamedTuple):
    """A process and the reading ends of its pipes, which are ours to close."""

    process: "subprocess.Popen[bytes]"
    stdout: int
    stderr: int


class PluginProcesses:
    """Runs plugins, a bounded number at a time. `close` it to remove the scripts' files."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(max(at_once, 1))
        self._folder: Path | None = None
        self._making = threading.Lock()
        self._alive: set[int] = set()

    async def run(self, start: Start) -> Ended:
        """Run to the end, or to the end of its time. Raises OSError when it cannot be started."""
        async with self._places:
            starting = asyncio.ensure_future(asyncio.to_thread(self._start, start))
            try:
                started = await asyncio.shield(starting)
            except asyncio.CancelledError:
                starting.add_done_callback(_stillborn)
                raise
            pid = started.process.pid
            self._alive.add(pid)
            try:
                return await _watched(started, start.timeout)
            finally:
                self._alive.discard(pid)

    def close(self) -> None:
        for pid in self._alive:
            _signal(pid, signal.SIGKILL)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self, start: Start) -> _Started:
        """In a thread: it writes files and forks."""
        command = start.command
        if start.script:
            command = f"{command} {self._script(start.script_name, start.script)}"
        who: dict[str, Any] = {}
        if start.account is not None:
            who = {
                "user": start.account.uid,
                "group": start.account.gid,
                "extra_groups": start.account.groups,
            }
        # A file, not a pipe: a plugin that never reads its input holds up nobody.
        with ExitStack() as ours, tempfile.TemporaryFile() as stdin:
            stdin.write(start.stdin)
            stdin.seek(0)
            pipes = [os.pipe(), os.pipe()]
            for _, written in pipes:
                ours.callback(os.close, written)
            try:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", command],
                    stdin=stdin,
                    stdout=pipes[0][1],
                    stderr=pipes[1][1],
                    cwd=start.cwd,
                    env=dict(start.environment),
                    start_new_session=True,
                    **who,
                )
            except BaseException:
                for read, _ in pipes:
                    os.close(read)
                raise
        return _Started(process, pipes[0][0], pipes[1][0])

    def _script(self, name: str, text: str) -> Path:
        """The script's file, one for each text: a plugin that is changed leaves the running ones alone."""
        with self._making:
            if self._folder is None or not self._folder.is_dir():
                self._folder = Path(tempfile.mkdtemp(prefix="opsorbit-plugins-"))
                self._folder.chmod(0o755)  # plugins may run as another user
            folder = self._folder
        path = folder / f"{name}-{sha256(text.encode()).hexdigest()[:16]}"
        if not path.exists():
            fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
            fresh.write_text(text)
            fresh.chmod(0o755)
            fresh.replace(path)
        return path


def account(uid: Any, gid: Any) -> Account | None:
    """Whom a plugin runs as, by names or numbers; None for ourselves. Raises UnknownAccount."""
    import grp
    import pwd

    if uid in (None, "") and gid in (None, ""):
        return None
    number, group, groups = os.getuid(), os.getgid(), os.getgroups()
    environment: dict[str, str] = {}
    if uid not in (None, ""):
        try:
            entry = pwd.getpwuid(int(uid)) if str(uid).isdigit() else pwd.getpwnam(str(uid))
        except (KeyError, OverflowError):
            raise UnknownAccount(f"Could not determine user information for: {uid}") from None
        number, group = entry.pw_uid, entry.pw_gid
        groups = os.getgrouplist(entry.pw_name, group)
        environment = {
            "USER": entry.pw_name, "USERNAME": entry.pw_name, "HOME": entry.pw_dir,
            "SHELL": entry.pw_shell or "/bin/sh",
        }  # fmt: skip
    if gid not in (None, ""):
        try:
            found = grp.getgrgid(int(gid)) if str(gid).isdigit() else grp.getgrnam(str(gid))
        except (KeyError, OverflowError):
            raise UnknownAccount(f"Could not determine group information for: {gid}") from None
        group = found.gr_gid
    if (number, group) == (os.getuid(), os.getgid()):
        return None
    return Account(uid=number, gid=group, groups=groups, environment=environment)


class _Stream:
    """Reads all that comes out of a pipe and keeps the two ends.

    Descriptors of our own and no transports: uvloop's close theirs a second time, and then it may be another's.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._descriptor = descriptor
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        os.set_blocking(descriptor, False)
        self._loop.add_reader(descriptor, self._read)

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        if not self.ended.done():
            self.ended.set_result(None)

    def text(self) -> str:
        if self._left_out:
            middle = b"\n... (%d bytes left out)\n" % self._left_out
            return bytes(self._head + middle + self._tail).decode(errors="replace")
        return bytes(self._head + self._tail).decode(errors="replace")

    def _read(self) -> None:
        try:
            data = os.read(self._descriptor, _KEPT)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        room = _KEPT - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, 0) :]
        if len(self._tail) > 2 * _KEPT:
            self._left_out += len(self._tail) - _KEPT
            del self._tail[:-_KEPT]


async def _watched(started: _Started, timeout: float) -> Ended:
    process = started.process
    streams = [_Stream(started.stdout), _Stream(started.stderr)]
    end = ProcessEnd(process)
    try:
        timed_out = not await _ended(end, timeout)
        if timed_out:
            _signal(process.pid, signal.SIGTERM)
            if not await _ended(end, _KILL_SECONDS):
                _signal(process.pid, signal.SIGKILL)
                await end.ended
        await asyncio.wait([stream.ended for stream in streams], timeout=_EOF_SECONDS)
    except asyncio.CancelledError:
        _given_up(process)
        raise
    finally:
        end.close()
        for stream in streams:
            stream.close()
    status = process.returncode
    return Ended(
        code=max(status, 0),
        signal=_name(-status) if status < 0 else "",
        timed_out=timed_out,
        stdout=streams[0].text(),
        stderr=streams[1].text(),
    )


async def _ended(end: ProcessEnd, seconds: float) -> bool:
    done, _ = await asyncio.wait({end.ended}, timeout=seconds)
    return bool(done)


def _stillborn(starting: "asyncio.Future[_Started]") -> None:
    """Its action was cancelled while it was being started: nobody will watch it."""
    if not starting.cancelled() and starting.exception() is None:
        started = starting.result()
        _given_up(started.process)
        os.close(started.stdout)
        os.close(started.stderr)


def _given_up(process: "subprocess.Popen[bytes]") -> None:
    _signal(process.pid, signal.SIGKILL)
    reap(process)


def _signal(pid: int, number: signal.Signals) -> None:
    """To the process and all that it has started: it leads a session of its own."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
