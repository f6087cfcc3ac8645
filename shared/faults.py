"""Named points at which a test kills the process, to prove that what it leaves behind is enough.

`OPSORBIT_FAULT=name` or `name:n` arms one point; it fires when reached for the n-th time (default: first).
With `OPSORBIT_FAULT_ONCE=path` it fires only while that file does not exist, and creates it: once over all
restarts. Without the first variable `reach` does nothing at all.
"""

import os
import signal

_armed = os.environ.get("OPSORBIT_FAULT", "")

if _armed:
    _name, _, _count = _armed.partition(":")
    _left = int(_count or 1)

    def reach(name: str) -> None:
        global _left
        if name != _name:
            return
        _left -= 1
        if _left:
            return
        marker = os.environ.get("OPSORBIT_FAULT_ONCE")
        if marker:
            try:
                os.close(os.open(marker, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            except FileExistsError:
                return
        os.kill(os.getpid(), signal.SIGKILL)

else:

    def reach(name: str) -> None:
        """The process goes on."""
