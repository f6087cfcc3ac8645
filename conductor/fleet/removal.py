"""Deleting servers: the host forgets its satellite, and with its history everything kept of it goes.

What is to be deleted stands in the cluster's state (`removals/servers/ID`) until it is gone, so that neither a
restart nor a take-over loses it: a server that is still there is told again, one that has left is deleted.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.definitions.state import GlobalState
from conductor.errors import Refusal, Unavailable
from conductor.fleet.roster import Roster
from conductor.records.searchable import SearchableDocuments
from conductor.signals import Activity, Actor, ServerChanged
from shared import clock

_LOOK_SECONDS = 1.0
_TELL_SECONDS = 30.0
_AGAIN_SECONDS = 5.0
_PENDING = "removals/servers"

Forget = Callable[[str], Awaitable[Any]]

log = structlog.get_logger(__name__)


class Removals:
    """`forgets` delete what is kept of a server elsewhere: samples, timelines, snapshots, alerts, in order."""

    def __init__(
        self,
        roster: Roster,
        stored: SearchableDocuments,
        state: GlobalState,
        signals: Signals,
        forgets: Sequence[Forget],
    ) -> None:
        self._roster = roster
        self._stored = stored
        self._state = state
        self._signals = signals
        self._forgets = tuple(forgets)
        self._told: dict[str, float] = {}
        self._news = asyncio.Event()

    async def delete(self, server_id: str, actor: Actor, *, history: bool) -> None:
        """Begin. Raises Refusal (`server`) for an unknown server, and for one offline without its history."""
        record = self._roster.record(server_id) or await self._stored.get(server_id)
        online = server_id in self._roster.online
        if record is None:
            raise Refusal("server", f"Server not found: {server_id}")
        if not online and not history:
            raise Refusal("server", f"Server has gone offline: {server_id}")
        told = Activity(
            action="server_delete",
            payload={"server_id": server_id, "hostname": record.get("hostname", server_id)},
            keywords=(server_id,),
            resource=("server", server_id),
            groups=tuple(map(str, record.get("groups") or ())),
            actor=actor,
        )
        if history:
            events = self._signals.events(told)
            await self._state.merge(f"{_PENDING}/{server_id}", {"since": int(clock.now())}, events=events)
        if online:
            self._uninstall(server_id)
        self._news.set()
        if history:
            self._signals.publish_logged(told)
        else:
            self._signals.publish(told)  # nothing of ours has changed yet

    async def run(self) -> None:
        """Until cancelled. Raises Deposed."""
        while True:
            for server_id in self._state.under(_PENDING):
                if server_id not in self._roster.online:
                    await self._finish(server_id)
                elif clock.monotonic() - self._told.get(server_id, 0.0) > _TELL_SECONDS:
                    self._uninstall(server_id)
            self._news.clear()
            try:
                async with asyncio.timeout(None if not self._state.under(_PENDING) else _LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def remove(self, server_id: str) -> None:
        """Delete a server that is not online with everything kept of it; also for records that are too many."""
        if server_id in self._roster.online:
            return
        for forget in self._forgets:
            await forget(server_id)
        await self._stored.delete(server_id)
        record = self._roster.drop(server_id) or {"id": server_id}
        self._signals.publish(ServerChanged(server=record))

    async def _finish(self, server_id: str) -> None:
        try:
            await self.remove(server_id)
            await self._state.delete(f"{_PENDING}/{server_id}")
        except Unavailable as error:
            log.warning("a server's deletion waits for the database", server=server_id, error=str(error))
            await asyncio.sleep(_AGAIN_SECONDS)
            return
        self._told.pop(server_id, None)
        log.info("a server was deleted", server=server_id)

    def _uninstall(self, server_id: str) -> None:
        self._told[server_id] = clock.monotonic()
        self._roster.tell(server_id, "uninstall", {})
