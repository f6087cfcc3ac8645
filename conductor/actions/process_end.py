"""Learning that a child has ended, without a thread that waits for it.

The threads of a conductor are few, and files and logs need them: sixteen plugins that each held one for as long as
they ran stopped everything else.
"""

import asyncio
import os
import subprocess
import threading

_POLL_SECONDS = 0.05


class ProcessEnd:
    """`ended` is done once the child has ended and was waited for. `close` it when nobody wants to know any more."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._descriptor = -1
        self._next_look: asyncio.TimerHandle | None = None
        try:
            self._descriptor = os.pidfd_open(process.pid)
        except (AttributeError, OSError):  # no Linux, or a sandbox without pidfds
            self._look()
        else:
            self._loop.add_reader(self._descriptor, self._look)

    def _look(self) -> None:
        if self._process.poll() is not None:
            self.close()
            if not self.ended.done():
                self.ended.set_result(None)
        elif self._descriptor < 0:
            self._next_look = self._loop.call_later(_POLL_SECONDS, self._look)

    def close(self) -> None:
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a child that was killed and that nobody watches any more; returns at once.

    A thread of its own: the loop, and with it the loop's threads, may be about to end.
    """
    if process.poll() is None:
        threading.Thread(target=process.wait, name=f"reaps {process.pid}").start()
