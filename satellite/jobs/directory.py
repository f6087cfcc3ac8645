"""One attempt's directory: the truth about it on this host.

    job.json   the launch without its secrets, and where it runs; ours, mode 0600
    stdin      the line the process reads; holds secrets, deleted once the process has it
    stdout, stderr   what the process wrote
    started, exit    the shim's witness (see shim.sh); in `shim/` when the job runs as another user
    log, cursor      the derived log and how far it is derived (see output.py)
    script     what the plugin runs, where it came with the launch
    abort      why it was told to stop
    work/      the process's working directory

When a job runs as another user, that user owns `work` and `shim` and nothing else: what the satellite
itself writes or follows must not be replaceable by the job.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from satellite.jobs.launch import AttemptKey
from satellite.settings import write_private

_MAX_WITNESS_BYTES = 4096


class Started(NamedTuple):
    """The shim's first words. `start_time` is in clock ticks since boot, or None where there is no /proc."""

    pid: int
    start_time: int | None
    killed: bool
    """The shell told of a signal, which a status above 128 alone does not."""
    owner: int
    """The user who wrote it."""


class Record(msgspec.Struct, kw_only=True):
    """`job.json`."""

    job: dict[str, Any]
    details: dict[str, Any]
    attempt: int
    taken: float


class AbortRecord(msgspec.Struct, kw_only=True):
    """`abort`: decided before the end, so that a restarted satellite reports the same."""

    reason: str
    retry_ok: bool = False


class JobDirectory:
    def __init__(self, jobs: Path, key: AttemptKey) -> None:
        self.key = key
        self.path = jobs / f"{key.id}.{key.attempt}"
        self._text = str(self.path)
        self.foreign = False

    @property
    def work(self) -> str:
        return f"{self._text}/work"

    @property
    def shim(self) -> str:
        return f"{self._text}/shim" if self.foreign else self._text

    def file(self, name: str) -> str:
        return f"{self._text}/{name}"

    def create(self) -> None:
        """Make it anew; what an unfinished set-up left is removed. Raises OSError."""
        try:
            os.mkdir(self._text, 0o700)
        except FileExistsError:
            self.delete()
            os.mkdir(self._text, 0o700)
        os.mkdir(self.work, 0o700)

    def hand_over(self, uid: int, gid: int) -> None:
        """Give the job's user what is its own."""
        self.foreign = True
        os.chmod(self._text, 0o711)  # noqa: S103 - its user must reach the work directory
        os.mkdir(self.shim, 0o700)
        for path in (self.shim, self.work):
            os.chown(path, uid, gid)

    def write(self, name: str, content: bytes, mode: int = 0o600) -> None:
        descriptor = os.open(
            f"{self._text}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode
        )
        try:
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)

    def read_record(self) -> Record | None:
        """None when the set-up never got that far."""
        self.foreign = os.path.isdir(f"{self._text}/shim")
        try:
            return msgspec.json.decode((self.path / "job.json").read_bytes(), type=Record)
        except (OSError, msgspec.MsgspecError):
            return None

    def read_script(self) -> str:
        """The plugin's script, of a launch that was set up; empty where it did not come with the launch."""
        try:
            return (self.path / "script").read_text(errors="surrogateescape").removesuffix("\n")
        except OSError:
            return ""

    def read_secrets(self) -> dict[str, Any]:
        """The secrets of an attempt that was taken and never started. Raises OSError without its stdin."""
        secrets = msgspec.json.decode((self.path / "stdin").read_bytes()).get("secrets")
        return secrets if isinstance(secrets, dict) else {}

    def has_started(self) -> bool:
        return os.path.lexists(f"{self.shim}/started")

    def read_started(self) -> Started | None:
        """None without a complete witness."""
        text, owner = _witness(f"{self.shim}/started")
        first, newline, rest = text.partition("\n")
        if not newline:
            return None
        try:
            if " " not in first:
                return Started(int(first), None, bool(rest), owner)
            # The name in parentheses may itself hold spaces and parentheses; field 22 is the start time.
            fields = first[first.rindex(")") + 2 :].split(" ")
            return Started(int(first[: first.index(" ")]), int(fields[19]), bool(rest), owner)
        except (ValueError, IndexError):
            return None

    def read_exit(self) -> int | None:
        """The command's status; None while there is none."""
        text, _ = _witness(f"{self.shim}/exit")
        if not text.endswith("\n"):
            return None
        try:
            return int(text)
        except ValueError:
            return None

    def write_abort(self, record: AbortRecord) -> None:
        write_private(self.path / "abort", msgspec.json.encode(record))

    def read_abort(self) -> AbortRecord | None:
        try:
            return msgspec.json.decode((self.path / "abort").read_bytes(), type=AbortRecord)
        except (OSError, msgspec.MsgspecError):
            return None

    def forget_stdin(self) -> None:
        with suppress(OSError):
            os.unlink(f"{self._text}/stdin")

    def delete(self) -> None:
        """Remove it with everything in it. What cannot be removed stays for the next start."""
        with suppress(OSError):
            # The common case by hand: a general tree walk costs as much as starting the process did.
            with os.scandir(self._text) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        try:
                            os.rmdir(entry.path)
                        except OSError:
                            shutil.rmtree(entry.path, ignore_errors=True)
                    else:
                        os.unlink(entry.path)
            os.rmdir(self._text)


def _witness(path: str) -> tuple[str, int]:
    """Content and owner of a file that the job may have tampered with."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return "", -1
    try:
        content = os.read(descriptor, _MAX_WITNESS_BYTES).decode(errors="replace")
        return content, os.fstat(descriptor).st_uid
    except OSError:
        return "", -1
    finally:
        os.close(descriptor)
