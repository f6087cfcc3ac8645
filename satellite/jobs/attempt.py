"""One attempt at a job, from its launch to the acknowledgement of its result: a life, and its steps in order.

Preparing ─► Running ─► Closing        Aborting ends any of them early, Resuming enters anywhere
"""

from typing import Protocol

from satellite.jobs.aborting import Aborting
from satellite.jobs.closing import Closing
from satellite.jobs.host import Host
from satellite.jobs.launch import Launch
from satellite.jobs.life import Life
from satellite.jobs.life import Phase as Phase
from satellite.jobs.preparing import Preparing
from satellite.jobs.resuming import Resuming
from satellite.jobs.running import Running
from satellite.jobs.watch import ExitWatch
from shared.protocol.messages import MetaRow


class Observer(Protocol):
    """Who hears of an attempt. Called on the loop; must not block."""

    def log_grew(self, attempt: "Attempt") -> None: ...

    def noted(self, attempt: "Attempt", row: MetaRow) -> None: ...

    def finished(self, attempt: "Attempt") -> None: ...


class Attempt(Life):
    def __init__(self, launch: Launch, host: Host, watch: ExitWatch, observer: Observer) -> None:
        super().__init__(
            launch,
            host,
            noted=lambda row: observer.noted(self, row),
            grew=lambda: observer.log_grew(self),
            ended=lambda: observer.finished(self),
        )
        self._closing = closing = Closing(self, watch)
        aborting = Aborting(self, closing)
        preparing = Preparing(self, closing)
        running = Running(self, aborting)
        self.begin = preparing.begin
        self.refuse = preparing.fail
        self.recover = Resuming(self, preparing, aborting, closing).recover
        self.tick = running.tick
        self.second = running.second
        self.stop = aborting.abort

    @property
    def transferring(self) -> bool:
        """Its files are under way: it lives, although no process of it does."""
        return self.files.under_way

    def log_chunk(self, offset: int, length: int) -> bytes:
        return self.output.chunk(offset, length) if self.output else b""

    def discard(self) -> None:
        """The result is acknowledged: nothing of the attempt stays on this host."""
        self.release()
        self.directory.delete()
        self.host.journal.forget(self.key)

    def release(self) -> None:
        """Let go of descriptors and timers. The process, if there is one, goes on."""
        self._closing.release()
