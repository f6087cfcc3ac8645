"""What became of an attempt while no satellite watched, read from its directory (docs/satellite-wire.md)."""

import os
from enum import Enum, auto

from satellite import processes
from satellite.jobs.directory import JobDirectory, Started


class Found(Enum):
    NEVER_STARTED = auto()
    """It may be started: nobody has created `started`."""
    RUNNING = auto()
    ENDED = auto()
    """With an exit status, or as lost without one."""
    UNCLEAR = auto()
    """`started` is there and still empty: its shim may be about to write. Look again."""


def find(directory: JobDirectory, *, same_boot: bool) -> Found:
    """`same_boot`: it was taken in this boot. If not, nothing of it runs, and `started`, which is not
    synced, may be missing although the process did run: it counts as ended."""
    if not same_boot or directory.read_exit() is not None:
        return Found.ENDED
    if not directory.has_started():
        return Found.NEVER_STARTED
    witness = directory.read_started()
    if witness is None:
        return Found.UNCLEAR
    return Found.RUNNING if is_alive(witness) else Found.ENDED


def is_alive(witness: Started) -> bool:
    """Whether that very process lives: a PID alone may have been given to another one since."""
    process = processes.read(witness.pid)
    if process is None or process.state == "Z":
        return False
    if witness.owner != os.getuid() and processes.owner(witness.pid) != witness.owner:
        # The job's user can write what it likes there: it must not make us signal a stranger's process.
        return False
    return witness.start_time is None or process.start == witness.start_time
