"""`opsorbit-satellite drain`: the running satellite finishes what it has, and ends."""

import os
import signal
import sys
import time
from pathlib import Path

from satellite.service.instance import running

DRAIN_SIGNAL = signal.SIGUSR1
DRAINED = 10
"""Exit status of a satellite that was drained. Service managers must not start it again (its systemd unit says so)."""
NOT_RUNNING, NOT_YET = 3, 4
_POLL = 0.1


def drain(data: Path, timeout: float = 0.0) -> int:
    """Tell it and wait until it has ended. Returns the exit status: 0 drained, 3 not running, 4 not in time.

    `timeout` in seconds; 0 waits as long as its jobs need.
    """
    pid = running(data)
    if pid is None:
        print("not running", file=sys.stderr)
        return NOT_RUNNING
    os.kill(pid, DRAIN_SIGNAL)
    print(f"process {pid} takes no more jobs, waiting for those it has", flush=True)
    deadline = time.monotonic() + timeout
    while running(data) == pid:
        if timeout and time.monotonic() > deadline:
            print("it has jobs still; it goes on draining", file=sys.stderr)
            return NOT_YET
        time.sleep(_POLL)
    print("drained")
    return 0
