"""Output of running jobs, as files on the primary.

Chunks are gathered in memory and handed to the operating system a few times a second; only then is their
size acknowledged. A job that ends before that never needs a file.
"""

import gzip
import io
import os
import shutil
from pathlib import Path

import structlog

_GATHERED_BYTES = 256 * 1024
"""More gathered bytes of one job than this are written at once."""
_KEPT_BYTES = 4 * 1024 * 1024
"""What is kept in memory of one job while its file cannot be written. Of what is dropped beyond that, satellites
that acknowledge are asked again."""

MOST_BYTES = 4 * 1024**3
"""Kept of one job's output unless the settings say otherwise."""

log = structlog.get_logger(__name__)


class LiveLogs:
    def __init__(self, directory: Path, most_bytes: int = MOST_BYTES) -> None:
        """Of each job at most `most_bytes` are kept; what comes beyond is counted only."""
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self.most_bytes = most_bytes
        self._beyond: dict[str, int] = {}
        self._written: dict[str, int] = {}
        self._gathered: dict[str, bytearray] = {}
        self._untold: dict[str, None] = {}
        """Jobs with output that was written at once, of which nobody has been told the size."""

    def size(self, job_id: str) -> int:
        """Bytes of the job's output that have arrived."""
        return self.kept(job_id) + self._beyond.get(job_id, 0)

    def cut(self, job_id: str) -> bool:
        """Whether some of the output that has arrived was not kept."""
        return job_id in self._beyond

    def append(self, job_id: str, data: bytes) -> int:
        """Take a chunk that starts at `size`; answer the new size."""
        room = self.most_bytes - self.kept(job_id)
        if len(data) > room:
            self._beyond[job_id] = self._beyond.get(job_id, 0) + len(data) - max(room, 0)
            data = data[: max(room, 0)]
        gathered = self._gathered.setdefault(job_id, bytearray())
        gathered += data
        if len(gathered) > _GATHERED_BYTES:
            self._write(job_id)
            self._untold[job_id] = None
        return self.size(job_id)

    def flush(self) -> dict[str, int]:
        """Hand over all that was gathered; answer the sizes that can be acknowledged."""
        written = {job_id: self._write(job_id) for job_id in {**self._untold, **self._gathered}}
        self._untold.clear()
        return {
            job_id: size + self._beyond.get(job_id, 0) for job_id, size in written.items() if size is not None
        }

    def read(self, job_id: str) -> bytes:
        """All output so far."""
        gathered = bytes(self._gathered.get(job_id, b""))
        if not self._size_written(job_id):
            return gathered
        return self._path(job_id).read_bytes() + gathered

    def part(self, job_id: str, offset: int, length: int) -> bytes:
        """At most `length` bytes from `offset` on."""
        written = self._size_written(job_id)
        if offset >= written:
            return bytes(self._gathered.get(job_id, b"")[offset - written :][:length])
        with self._path(job_id).open("rb") as file:
            file.seek(offset)
            return file.read(min(length, written - offset))

    def packed(self, job_id: str) -> bytes:
        """All output so far, compressed; for another thread, since a log can be large."""
        into = io.BytesIO()
        with gzip.GzipFile(fileobj=into, mode="wb", compresslevel=6, mtime=0) as packing:
            if self._size_written(job_id):
                with self._path(job_id).open("rb") as file:
                    shutil.copyfileobj(file, packing, _GATHERED_BYTES)
            packing.write(self._gathered.get(job_id, b""))
        return into.getvalue()

    def tail(self, job_id: str, length: int) -> bytes:
        """The last `length` bytes."""
        gathered = bytes(self._gathered.get(job_id, b""))
        missing = length - len(gathered)
        if missing <= 0:
            return gathered[-length:]
        written = self._size_written(job_id)
        if not written:
            return gathered
        with self._path(job_id).open("rb") as file:
            file.seek(max(written - missing, 0))
            return file.read() + gathered

    def drop(self, job_id: str) -> None:
        """The log is in the archive."""
        self._gathered.pop(job_id, None)
        self._beyond.pop(job_id, None)
        self._untold.pop(job_id, None)
        if self._written.pop(job_id, 0):
            self._path(job_id).unlink(missing_ok=True)

    def drop_others(self, job_ids: set[str]) -> None:
        """Remove files of jobs that are not active any more, left by a conductor that died."""
        for path in self._directory.glob("*.log"):
            if path.stem not in job_ids:
                path.unlink(missing_ok=True)

    def _write(self, job_id: str) -> int | None:
        """The size written, None if the disk does not take it: what was gathered waits then, within bounds."""
        gathered = self._gathered.pop(job_id, None)
        size = self._size_written(job_id)
        if gathered:
            try:
                _append(self._path(job_id), gathered, size)
            except OSError as error:
                log.warning("output was not written", job=job_id, error=str(error))
                if len(gathered) <= _KEPT_BYTES:
                    self._gathered[job_id] = gathered
                return None
            size += len(gathered)
            self._written[job_id] = size
        return size

    def kept(self, job_id: str) -> int:
        """Bytes that can be read."""
        return self._size_written(job_id) + len(self._gathered.get(job_id, b""))

    def _size_written(self, job_id: str) -> int:
        size = self._written.get(job_id)
        if size is None:
            # A conductor that was here before may have written it: what it appended is in order.
            try:
                size = self._path(job_id).stat().st_size
            except FileNotFoundError:
                size = 0
            self._written[job_id] = size
        return size

    def _path(self, job_id: str) -> Path:
        return self._directory / f"{job_id}.log"


def _append(path: Path, data: bytearray, size: int) -> None:
    """Append to a file of `size` bytes, wholly or not at all."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(fd, view) :]
        except OSError:
            os.ftruncate(fd, size)  # half a chunk would shift everything behind it
            raise
    finally:
        os.close(fd)
