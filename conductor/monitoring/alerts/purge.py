"""When a definition is deleted its stored invocations go as well (contract api/alerts.yaml, delete_alert).

What is to go stands in the cluster's state (`removals/alerts/ID`) until it has gone, whoever is primary.
"""

import asyncio

import structlog

from conductor.definitions.state import GlobalState
from conductor.errors import Unavailable
from conductor.monitoring.alerts.store import AlertStore
from conductor.signals import DefinitionChanged, Signal
from shared import clock

_PENDING = "removals/alerts"
_AGAIN_SECONDS = 5.0
_PAUSE = 0.001

log = structlog.get_logger(__name__)


class Purge:
    """`observe` hears of deleted definitions; `run` is the term's."""

    def __init__(self, store: AlertStore, state: GlobalState) -> None:
        self._store = store
        self._state = state
        self._news = asyncio.Event()
        self._unmarked: list[str] = []
        """Deleted definitions that are not in the state yet."""

    async def observe(self, signal: Signal) -> None:
        if isinstance(signal, DefinitionChanged) and (signal.kind, signal.verb) == ("alerts", "delete"):
            self._unmarked.append(str(signal.item["id"]))
            self._news.set()

    async def run(self) -> None:
        """Until cancelled. Raises Deposed."""
        while True:
            self._news.clear()
            try:
                while self._unmarked:
                    await self._state.merge(f"{_PENDING}/{self._unmarked[0]}", {"since": int(clock.now())})
                    del self._unmarked[0]
                for alert_id in self._state.under(_PENDING):
                    deleted = await self.delete(f"alert:{alert_id}")
                    await self._state.delete(f"{_PENDING}/{alert_id}")
                    log.info("invocations of a deleted alert are gone", alert=alert_id, invocations=deleted)
            except Unavailable as error:
                log.warning("invocations of deleted alerts wait for the database", error=str(error))
                await asyncio.sleep(_AGAIN_SECONDS)
                continue
            await self._news.wait()

    async def delete(self, query: str) -> int:
        """Delete the invocations that match, oldest first; how many there were. May be broken off."""
        deleted = 0
        while rows := await self._store.matching(query):
            for row in rows:
                deleted += await self._store.delete(str(row["id"]))
                await asyncio.sleep(_PAUSE)
        return deleted
