"""Jobs' files under way: the tasks that fetch and send them, and who owns these."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from satellite.jobs.conductor_files import ConductorFiles
from satellite.settings import Config
from satellite.tls import Tls

_AT_ONCE = 8
"""Jobs whose files travel at the same time; within a job one after the other."""

log = structlog.get_logger(__name__)

Work = Callable[[ConductorFiles], Coroutine[Any, Any, None]]


class Transfer:
    """One job's files under way."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.task: asyncio.Task[None] | None = None
        self.cancelled = False

    def cancel(self) -> None:
        """Nothing more of it happens."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()


class Transfers:
    """Begun at any time, under way while `run` runs."""

    def __init__(self, config: Config, base_url: Callable[[], str], tls: Tls) -> None:
        self._conductor = ConductorFiles(config, base_url, tls)
        self._waiting: asyncio.Queue[Transfer] = asyncio.Queue()

    def begin(self, work: Work) -> Transfer:
        transfer = Transfer(work)
        self._waiting.put_nowait(transfer)
        return transfer

    async def run(self) -> None:
        """Carry out what was begun, until cancelled."""
        await self._conductor.open()
        try:
            async with asyncio.TaskGroup() as group:
                room = asyncio.Semaphore(_AT_ONCE)
                while True:
                    transfer = await self._waiting.get()
                    await room.acquire()
                    if transfer.cancelled:
                        room.release()
                        continue
                    transfer.task = group.create_task(self._carry_out(transfer))
                    transfer.task.add_done_callback(lambda _: room.release())
        finally:
            await self._conductor.close()

    async def _carry_out(self, transfer: Transfer) -> None:
        try:
            await transfer.work(self._conductor)
        except Exception:
            # Whoever began it answers for its end; this is the last resort.
            log.exception("a transfer failed")
