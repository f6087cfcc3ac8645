"""The log of a job, derived from what its process wrote.

`log` = standard output without messages, merged with standard error as it is, in the order the satellite
saw them. The conductor gets the log by offset, so the same derivation must come out after a crash: before
any byte is shipped, `cursor` holds how far both streams are derived and how long the log is then. On opening,
the log is cut to that size and derived on from there.

A process that ended before it was ever read needs neither file: its log is derived in one step from two
files that no longer change, with the same result each time.
"""

import os
import struct
from contextlib import suppress

from satellite.jobs.directory import JobDirectory
from satellite.jobs.lines import OutputLines

_READ_BYTES = 1024 * 1024
_LONGEST_LINE = 32 * 1024 * 1024
_IN_MEMORY_BYTES = 64 * 1024
_CURSOR = struct.Struct("<QQQ")


class Output:
    """Reads the two streams and keeps the derived log. Raises OSError when the disk does not take it."""

    def __init__(self, directory: JobDirectory, lines: OutputLines, most: int = 0) -> None:
        """`most`: once the log is longer, nothing more is derived; 0: no bound. Its job is about to be ended."""
        self._directory = directory
        self._most = most
        self._lines = lines
        self.stdout = _open(directory, "stdout")
        self.stderr = _open(directory, "stderr")
        self.size = 0
        """Bytes of log that are covered by the cursor and may be shipped."""
        self._stdout_done = 0
        self._stderr_done = 0
        self._partial = bytearray()
        self._log = -1
        self._cursor = -1
        self._memory = b""
        self._unwritten: tuple[bytes, int, int] | None = None
        """Translated but refused by the disk. Translating again would report its messages twice."""

    def recover(self) -> None:
        """Go on from the cursor of an earlier satellite, and hear again what the plugin had said."""
        try:
            with open(self._directory.file("cursor"), "rb") as file:
                done, errors_done, size = _CURSOR.unpack(file.read(_CURSOR.size))
        except (OSError, struct.error):
            return
        self._open_log()
        os.ftruncate(self._log, size)
        position = 0
        partial = bytearray()
        while position + len(partial) < done:
            start = position + len(partial)
            data = os.pread(self.stdout, min(_READ_BYTES, done - start), start)
            if not data:
                break
            end = data.rfind(b"\n") + 1
            if not end:
                partial += data
                continue
            block = bytes(partial) + data[:end]
            self._lines.translate(block, position)
            position += len(block)
            partial = bytearray(data[end:])
        if partial:
            self._lines.translate(bytes(partial), position)
        self._stdout_done, self._stderr_done, self.size = done, errors_done, size

    def read(self, *, ended: bool = False, still: bool = False) -> bool:
        """Derive what is new. True: there was more than one read takes, call again.

        With `ended` the last line counts without its newline. With `still` nobody can write any more, so
        that the same reading always gives the same log.
        """
        if self._unwritten is not None:
            self._append(*self._unwritten)
        if self.full:
            return False
        block, more = self._whole_lines(ended)
        errors = os.pread(self.stderr, _READ_BYTES, self._stderr_done)
        more = more or len(errors) == _READ_BYTES
        text = self._lines.translate(block, self._stdout_done) + errors if block else errors
        if not block and not errors:
            return more
        done = self._stdout_done + len(block)
        errors_done = self._stderr_done + len(errors)
        if still and not more and self._log < 0 and len(text) <= _IN_MEMORY_BYTES:
            self._memory, self.size = text, len(text)
            self._stdout_done, self._stderr_done = done, errors_done
        else:
            self._append(text, done, errors_done)
        return more

    @property
    def full(self) -> bool:
        return 0 < self._most < self.size

    def written(self) -> int:
        """Bytes of log, with what the job has written and we have not read yet."""
        stdout, stderr = os.fstat(self.stdout).st_size, os.fstat(self.stderr).st_size
        return self.size + max(stdout - self._stdout_done, 0) + max(stderr - self._stderr_done, 0)

    def truncated(self) -> bool:
        """Whether the job cut one of its own files; what is there now is then read from the beginning."""
        cut = False
        if os.fstat(self.stdout).st_size < self._stdout_done:
            self._stdout_done, cut = 0, True
            self._partial.clear()
        if os.fstat(self.stderr).st_size < self._stderr_done:
            self._stderr_done, cut = 0, True
        return cut

    def chunk(self, offset: int, length: int) -> bytes:
        """Log bytes from `offset`, at most `length` and never beyond `size`."""
        length = min(length, self.size - offset)
        if length <= 0:
            return b""
        if self._log < 0:
            return self._memory[offset : offset + length]
        return os.pread(self._log, length, offset)

    def first_errors(self, length: int) -> str:
        """The beginning of standard error."""
        return os.pread(self.stderr, length, 0).decode(errors="replace")

    def close(self) -> None:
        for descriptor in (self.stdout, self.stderr, self._log, self._cursor):
            if descriptor >= 0:
                with suppress(OSError):
                    os.close(descriptor)
        self.stdout = self.stderr = self._log = self._cursor = -1

    def _whole_lines(self, ended: bool) -> tuple[bytes, bool]:
        start = self._stdout_done + len(self._partial)
        data = os.pread(self.stdout, _READ_BYTES, start)
        more = len(data) == _READ_BYTES
        end = data.rfind(b"\n") + 1
        if end:
            block = bytes(self._partial) + data[:end] if self._partial else data[:end]
            self._partial = bytearray(data[end:])
        else:
            self._partial += data
            block = b""
        if self._partial and ((ended and not more) or len(self._partial) > _LONGEST_LINE):
            block += bytes(self._partial)
            self._partial.clear()
        return block, more

    def _append(self, text: bytes, done: int, errors_done: int) -> None:
        self._unwritten = text, done, errors_done
        if self._log < 0:
            self._open_log()
        view = memoryview(text)
        position = self.size
        while view:
            count = os.pwrite(self._log, view, position)
            view, position = view[count:], position + count
        os.pwrite(self._cursor, _CURSOR.pack(done, errors_done, position), 0)
        self._unwritten = None
        self._stdout_done, self._stderr_done, self.size = done, errors_done, position

    def _open_log(self) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._log = os.open(self._directory.file("log"), flags, 0o600)
        self._cursor = os.open(self._directory.file("cursor"), flags, 0o600)


def _open(directory: JobDirectory, name: str) -> int:
    return os.open(
        directory.file(name), os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
