"""One satellite on one data directory: a locked file with its process ID."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

PID_FILE = "satellite.pid"


class AlreadyRunning(Exception):
    """Another satellite holds the data directory."""


class Instance:
    """Holds the data directory while the block runs; a killed process lets go by itself."""

    def __init__(self, data: Path) -> None:
        self._file = data / PID_FILE

    def __enter__(self) -> Self:
        # Not inheritable, as Python opens files: a job's process must not hold the directory.
        self._descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._descriptor)
            raise AlreadyRunning(f"another satellite is running on {self._file.parent}") from None
        os.ftruncate(self._descriptor, 0)
        os.write(self._descriptor, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def running(data: Path) -> int | None:
    """The process ID of the satellite that holds the data directory."""
    try:
        with (data / PID_FILE).open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                text = file.read().strip()
                return int(text) if text.isdecimal() else None
    except OSError:
        return None
    return None
