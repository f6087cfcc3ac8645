"""The announcer: a state change is announced once, and its observers hear of it.

A service announces and never calls an observer. `publish` returns at once: each observer has a bounded
queue and a task of its own, so that a slow one delays nobody; when its queue is full the oldest signal is
dropped and counted, since an observer must never hold up a job.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import structlog

from conductor.signals import EventRow, Signal

_QUEUE_LENGTH = 10_000

log = structlog.get_logger(__name__)

Observer = Callable[[Signal], Awaitable[None]]


def _nothing(signal: Signal) -> Sequence[EventRow]:
    return ()


class _Subscription(NamedTuple):
    name: str
    observer: Observer
    queue: asyncio.Queue[Signal]
    wanted: tuple[type[Signal], ...]
    unlogged: bool


class Signals:
    """The announcer. Subscribe before `run`; every observer sees every signal that it asked for, in order.

    Whoever changes something lets the event log know of it in the same step: `events(signal)` goes into the
    write that makes it true (`Records.write(…, events=…)`), or `ActiveJob.say(signal)` before the book is
    written; after that the signal is published as logged. What is published otherwise is logged by an
    observer, for changes that no store of ours holds.
    """

    def __init__(self, describe: Callable[[Signal], Sequence[EventRow]] = _nothing) -> None:
        """`describe` makes the rows of the event log (audit/causal.py)."""
        self.describe = describe
        self._observers: list[_Subscription] = []
        self._hearing: dict[type[Signal], list[_Subscription]] = {}
        self._logged: Signal | None = None
        self.dropped = 0

    def events(self, *signals: Signal) -> list[EventRow]:
        """What the event log says of `signals`: for the write that makes them true."""
        return [row for signal in signals for row in self.describe(signal)]

    def subscribe(self, name: str, observer: Observer, *only: type[Signal], unlogged: bool = False) -> None:
        """`only` these types are delivered; without any all are. A job announces half a dozen, others few.

        `unlogged`: of these only what is in the event log by no other way.
        """
        self._hearing.clear()
        self._observers.append(
            _Subscription(name, observer, asyncio.Queue(_QUEUE_LENGTH), only or (Signal,), unlogged)
        )

    def publish_logged(self, signal: Signal) -> None:
        """Announce what the event log has: its row was written with the change."""
        self._logged = signal
        self.publish(signal)
        self._logged = None

    def log_late(self, signal: Signal) -> None:
        """Announce to those alone that are `unlogged` what was published as logged and could not be written."""
        for name, _, queue, _, unlogged in self._who_hears(type(signal)):
            if unlogged:
                self._put(name, queue, signal)

    def publish(self, signal: Signal) -> None:
        """Announce what the event log does not have."""
        for name, _, queue, _, unlogged in self._who_hears(type(signal)):
            if unlogged and signal is self._logged:
                continue
            self._put(name, queue, signal)

    def _put(self, name: str, queue: asyncio.Queue[Signal], signal: Signal) -> None:
        if queue.full():
            queue.get_nowait()
            queue.task_done()
            self.dropped += 1
            log.warning("observer is behind, signal dropped", observer=name)
        queue.put_nowait(signal)

    def _who_hears(self, kind: type[Signal]) -> list[_Subscription]:
        hearing = self._hearing.get(kind)
        if hearing is None:
            hearing = [one for one in self._observers if issubclass(kind, one.wanted)]
            self._hearing[kind] = hearing
        return hearing

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            for one in self._observers:
                group.create_task(
                    self._deliver(one.name, one.observer, one.queue), name=f"observer {one.name}"
                )

    async def settled(self, timeout: float) -> None:
        """Return when all that was published has been delivered, or after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                for one in self._observers:
                    await one.queue.join()
        except TimeoutError:
            log.warning("signals were left undelivered")

    @staticmethod
    async def _deliver(name: str, observer: Observer, queue: asyncio.Queue[Signal]) -> None:
        while True:
            signal = await queue.get()
            try:
                await observer(signal)
            except Exception:
                log.exception("observer failed", observer=name, signal=type(signal).__name__)
            finally:
                queue.task_done()
