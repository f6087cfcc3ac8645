"""Noticing the end of a process at once: a pidfd in the event loop, or polling where there is none."""

import asyncio
import os
from collections.abc import Callable

from satellite import processes

Ended = Callable[[], None]


class ExitWatch:
    """Calls back once for each watched process. Children or not: all the same."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._descriptors: dict[int, int] = {}
        self._polled: dict[int, tuple[int, Ended]] = {}
        """pid → (start time, callback)"""

    def watch(self, pid: int, ended: Ended) -> None:
        if hasattr(os, "pidfd_open"):
            try:
                descriptor = os.pidfd_open(pid)
            except ProcessLookupError:
                self._loop.call_soon(ended)
                return
            except OSError:
                pass  # a kernel or a sandbox without pidfds
            else:
                self._descriptors[pid] = descriptor
                self._loop.add_reader(descriptor, self._readable, pid, ended)
                return
        process = processes.read(pid)
        if process is None:
            self._loop.call_soon(ended)
        else:
            self._polled[pid] = process.start, ended

    def forget(self, pid: int) -> None:
        descriptor = self._descriptors.pop(pid, None)
        if descriptor is not None:
            self._loop.remove_reader(descriptor)
            os.close(descriptor)
        self._polled.pop(pid, None)

    def poll(self) -> None:
        """For hosts without pidfds; called by the ticker."""
        for pid, (start, ended) in list(self._polled.items()):
            process = processes.read(pid)
            if process is None or process.start != start or process.state == "Z":
                del self._polled[pid]
                ended()

    def _readable(self, pid: int, ended: Ended) -> None:
        self.forget(pid)
        ended()
