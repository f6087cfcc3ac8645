"""Mounted file systems, read beside everything else: a network file system may hang for hours."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from satellite.monitors import disks
from shared.clock import Seconds

Table = dict[str, dict[str, Any]]

PATIENCE: Seconds = 5.0


class Mounts:
    """Reads in a thread that may hang. As long as it does, `read` gives up at once."""

    def __init__(self, reading: Callable[[], Table] = disks.mounts, patience: Seconds = PATIENCE) -> None:
        self._reading = reading
        self._patience = patience
        self._thread: threading.Thread | None = None

    async def read(self) -> Table | None:
        """The table of monitor_data.md §3.5; None when it cannot be had in time."""
        if self._thread is not None and self._thread.is_alive():
            return None
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Table | None] = loop.create_future()

        def run() -> None:
            table: Table | None = None
            try:
                table = self._reading()
            finally:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(_answer, answer, table)

        # A daemon, unlike an executor's: nobody waits for it when the satellite stops.
        self._thread = threading.Thread(target=run, name="mounts", daemon=True)
        self._thread.start()
        try:
            async with asyncio.timeout(self._patience):
                return await answer
        except TimeoutError:
            return None


def _answer(answer: "asyncio.Future[Table | None]", table: Table | None) -> None:
    if not answer.done():
        answer.set_result(table)
