"""Named points where a test can kill the process; nothing at all outside tests.

`OPSORBIT_FAULT=name` or `name:3` kills with SIGKILL when the point is reached the first or third time. With
`OPSORBIT_FAULT_ONCE=path` it happens only while that file does not exist, and creates it, so that the
process that is started next survives.
"""

import os
import signal
from collections.abc import Callable


def _armed() -> Callable[[str], None] | None:
    wanted, _, nth = os.environ.get("OPSORBIT_FAULT", "").partition(":")
    if not wanted:
        return None
    remaining = int(nth or 1)
    marker = os.environ.get("OPSORBIT_FAULT_ONCE")

    def reach(name: str) -> None:
        nonlocal remaining
        if name != wanted:
            return
        remaining -= 1
        if remaining:
            return
        if marker:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)

    return reach


def _nothing(name: str) -> None:
    """Outside tests a point is only a name."""


reach: Callable[[str], None] = _armed() or _nothing
