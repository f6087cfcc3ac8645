"""The journal: which attempts this host has taken, durable before their process starts.

One append-only file with group commit, rather than a marker per directory: a marker needs two fsyncs
(file and directory) for each job, a shared file one for all jobs that arrive during the previous one. The
lines carry the boot's ID, because `started` files are not synced: after a power loss an attempt that was
taken in an earlier boot may have run, whatever its directory says, and is reported lost instead of started.
"""

import asyncio
import errno
import os
import queue
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

import structlog

from satellite.jobs.launch import AttemptKey

_REWRITE_BYTES = 1024 * 1024
_sync = getattr(os, "fdatasync", os.fsync)

log = structlog.get_logger(__name__)

Committed = Callable[[OSError | None], None]


class Journal:
    """Owns the file and the thread that syncs it. `take` and `forget` are called from the loop only."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self._path = path
        self._boot_id = boot_id
        self._live: dict[AttemptKey, str] = {}
        self._queue: queue.SimpleQueue[tuple[bytes, Committed] | None] = queue.SimpleQueue()
        self._descriptor = -1
        self._size = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._commit, name="journal", daemon=True)

    def open(self) -> dict[AttemptKey, bool]:
        """The attempts taken and not yet forgotten; true: taken in this boot. Raises OSError."""
        try:
            lines = self._path.read_text(errors="replace").split("\n")
        except FileNotFoundError:
            lines = []
        for line in lines[:-1]:  # a line without its newline was never committed
            match line.split(" "):
                case ["taken", job_id, attempt, boot_id] if attempt.isdigit():
                    self._live[AttemptKey(job_id, int(attempt))] = boot_id
                case ["forget", job_id, attempt] if attempt.isdigit():
                    self._live.pop(AttemptKey(job_id, int(attempt)), None)
                case _:
                    log.warning("unreadable line in the journal", path=str(self._path))
        self._rewrite(self._live.items())
        self._loop = asyncio.get_running_loop()
        self._thread.start()
        return {key: boot_id == self._boot_id for key, boot_id in self._live.items()}

    def take(self, key: AttemptKey, committed: Committed) -> None:
        """Call `committed` on the loop once the line is on disk, or with the error that kept it from it."""
        self._live[key] = self._boot_id
        self._queue.put((f"taken {key.id} {key.attempt} {self._boot_id}\n".encode(), committed))

    def forget(self, key: AttemptKey) -> None:
        """The attempt's directory is gone. Not synced: a forgotten line that comes back does no harm."""
        if self._live.pop(key, None) is not None:
            self._queue.put((f"forget {key.id} {key.attempt}\n".encode(), _nothing))

    def close(self) -> None:
        """Commit what was taken and stop the thread."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join(timeout=5)

    def _commit(self) -> None:
        while True:
            entry = self._queue.get()
            batch: list[tuple[bytes, Committed]] = []
            while entry is not None:
                batch.append(entry)
                try:
                    entry = self._queue.get_nowait()
                except queue.Empty:
                    break
            if batch:
                self._write(batch)
            if entry is None:
                return

    def _write(self, batch: list[tuple[bytes, Committed]]) -> None:
        failure: OSError | None = None
        callbacks = [committed for _, committed in batch if committed is not _nothing]
        try:
            content = b"".join(line for line, _ in batch)
            written = os.write(self._descriptor, content)
            if written == len(content):
                self._size += written
                if callbacks:
                    _sync(self._descriptor)
            else:
                os.ftruncate(self._descriptor, self._size)
                failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if self._size > _REWRITE_BYTES:
                self._rewrite(list(self._live.items()))
        except OSError as error:
            failure = error
        if callbacks and self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_call_all, callbacks, failure)

    def _rewrite(self, live: Iterable[tuple[AttemptKey, str]]) -> None:
        """Start the file afresh with the lines that still matter.

        A `take` that is still queued may be in `live` already; its line then follows once more.
        """
        temporary = self._path.with_name(".journal.new")
        content = "".join(f"taken {key.id} {key.attempt} {boot_id}\n" for key, boot_id in live).encode()
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600
        )
        os.write(descriptor, content)
        _sync(descriptor)
        os.replace(temporary, self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(content)


def read_boot_id() -> str:
    """Changes with each boot of the host; the boot's time stands in where the kernel gives no ID."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil

        return f"boot-{int(psutil.boot_time())}"


def _call_all(callbacks: list[Committed], failure: OSError | None) -> None:
    for committed in callbacks:
        committed(failure)


def _nothing(failure: OSError | None) -> None:
    """Of a line nobody waits for."""
