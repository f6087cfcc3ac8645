"""Actions that alerts owe: run at least once each, whoever dies (durability.md, step 8).

What was owed when a term began may have run before; its results carry `again` then.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import structlog

from conductor.audit import causes
from conductor.errors import Deposed, Unavailable
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.ports import AlertActions, NoActions
from conductor.monitoring.alerts.store import AlertStore, Owed
from conductor.signals import ActionRun, EventRow, Signal
from shared import clock, faults

Json = dict[str, Any]
T = TypeVar("T")

_TOGETHER = 20
"""Invocations whose actions run at a time."""
_MOST = 10_000
"""Waiting in memory; further ones wait in SQL for the next term."""
_AGAIN_SECONDS = 1.0

log = structlog.get_logger(__name__)


def _nothing(*signals: Signal) -> Sequence[EventRow]:
    return ()


class Owing:
    """`actions` fills the port once its room is there."""

    def __init__(
        self,
        store: AlertStore,
        active: ActiveAlerts,
        enabled: Callable[[str], bool],
        server: Callable[[str], Json | None],
        events: Callable[..., Sequence[EventRow]] = _nothing,
    ) -> None:
        """`events` makes of signals what the event log says of them."""
        self._store = store
        self._active = active
        self._enabled = enabled
        self._server = server
        self._events = events
        self.actions: AlertActions = NoActions()
        self._waiting: asyncio.Queue[tuple[Owed, bool]] = asyncio.Queue(_MOST)
        self._in_turn: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def add(self, owed: Owed, *, again: bool = False) -> None:
        try:
            self._waiting.put_nowait((owed, again))
        except asyncio.QueueFull:
            log.error(
                "too many actions of alerts wait, some are left to the next term", alert=owed.invocation
            )

    async def load(self) -> None:
        """Take up what an earlier term left."""
        self.forget()
        for owed in await self._store.owed():
            self.add(owed, again=True)

    def forget(self) -> None:
        self._waiting = asyncio.Queue(_MOST)
        self._in_turn.clear()

    async def run(self) -> None:
        """Until cancelled. Raises Deposed."""
        async with asyncio.TaskGroup() as group:
            for number in range(_TOGETHER):
                group.create_task(self._work(), name=f"actions of alerts {number}")

    async def _work(self) -> None:
        while True:
            owed, again = await self._waiting.get()
            lock = self._in_turn[owed.invocation]  # what clears comes after what fired
            async with lock:
                await self._pay(owed, again)
            if self._in_turn.get(owed.invocation) is lock and not lock.locked():
                self._in_turn.pop(owed.invocation, None)

    async def _pay(self, owed: Owed, again: bool) -> None:
        results, tickets = await self._insisting(owed, partial(self._run, owed, again))
        faults.reach("conductor.alert_actions_ran")
        done = partial(_with, results=results, tickets=tickets)
        events = self._events(*_ran(owed, results))
        await self._insisting(owed, partial(self._store.settle, owed, done, events))
        if (kept := self._active.get(owed.invocation)) is not None:
            kept.update(done(kept))

    async def _insisting(self, owed: Owed, step: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await step()
            except Unavailable as error:
                log.warning("actions of an alert wait for stores", alert=owed.invocation, error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)

    async def _run(self, owed: Owed, again: bool) -> tuple[list[Json], list[str]]:
        invocation = await self._store.get(owed.invocation)
        if invocation is None or not self._enabled(str(invocation.get("alert"))):
            return [], []
        if owed.stage and not invocation.get("active"):
            return [], []  # it has cleared since: nobody needs to be told again
        before = list(invocation.get("tickets") or ())
        server: Mapping[str, Any] = self._server(str(owed.server.get("id", ""))) or owed.server
        try:
            results = await self.actions.run_for_alert(
                invocation, owed.definition, server, owed.condition, again=again, stage=owed.stage
            )
        except (Deposed, Unavailable):
            raise
        except Exception:
            log.exception("the actions of an alert failed", alert=owed.invocation)
            failure = {"condition": owed.condition, "date": clock.now(), "code": "internal"}
            return [{**failure, "description": "The actions failed, see the log."}], []
        marked = [{**one, "again": True} for one in results] if again else list(results)
        return marked, [id for id in invocation.get("tickets") or () if id not in before]


def _ran(owed: Owed, results: Sequence[Json]) -> list[ActionRun]:
    """What the event log learns of the executed actions, as the actions' room announces it to all others."""
    return [
        ActionRun(
            type=str(action.get("type") or ""),
            condition=owed.condition,
            code=action.get("code"),
            description=str(action.get("description") or ""),
            elapsed_ms=int(action.get("elapsed_ms") or 0),
            alert_id=owed.invocation,
            key=f"{owed.id}-{number}",
            correlation_id=causes.alerted(owed.invocation),
            groups=tuple(map(str, owed.server.get("groups") or ())),
        )
        for number, action in enumerate(results)
    ]


def _with(doc: Json, *, results: list[Json], tickets: list[str]) -> Json:
    kept = list(dict.fromkeys([*(doc.get("tickets") or ()), *tickets]))
    return {**doc, "actions": [*(doc.get("actions") or ()), *results], "tickets": kept}
