"""What waits to be carried out: in order for each alert on each server, side by side for the others."""

import asyncio
from typing import NamedTuple

import structlog

from conductor.errors import Unavailable
from conductor.monitoring.alerts.transitions import Transition, Transitions

_MOST_WAITING = 10_000
_TOGETHER = 256
_AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


class _Waiting(NamedTuple):
    transition: Transition
    done: "asyncio.Future[None] | None"


class Turns:
    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions
        self._queue: list[_Waiting] = []
        self._queued = asyncio.Event()
        self._full = False

    def put(self, transition: Transition, done: "asyncio.Future[None] | None" = None) -> None:
        """Never refused: those who ask look at `has_room` before."""
        self._queue.append(_Waiting(transition, done))
        self._queued.set()

    def has_room(self) -> bool:
        """While too much waits for the database nothing is evaluated, so that nothing that turned is lost."""
        full = len(self._queue) >= _MOST_WAITING
        if full and not self._full:
            log.error("alerts are not evaluated until the database is back", waiting=len(self._queue))
        self._full = full
        return not full

    def clear(self) -> None:
        """The term has ended."""
        for waiting in self._queue:
            if waiting.done is not None and not waiting.done.done():
                waiting.done.set_exception(Unavailable("This conductor is no longer primary"))
        self._queue.clear()
        self._queued.clear()

    async def run(self) -> None:
        """Until cancelled. Raises Deposed, in a group."""
        while True:
            await self._queued.wait()
            batch, self._queue = self._queue[:_TOGETHER], self._queue[_TOGETHER:]
            if not self._queue:
                self._queued.clear()
            in_order: dict[tuple[str, str], list[_Waiting]] = {}
            for waiting in batch:
                state = waiting.transition.state
                in_order.setdefault((state.server, state.alert), []).append(waiting)
            async with asyncio.TaskGroup() as group:
                for some in in_order.values():
                    group.create_task(self._carry_out(some))

    async def _carry_out(self, some: list[_Waiting]) -> None:
        for transition, done in some:
            try:
                await self._insisting(transition)
            finally:
                if done is not None and not done.done():
                    done.set_result(None)

    async def _insisting(self, transition: Transition) -> None:
        while True:
            try:
                return await self._transitions.carry_out(transition)
            except Unavailable as error:
                log.warning("alerts wait for the database", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
