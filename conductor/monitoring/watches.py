"""Watches: servers and groups of which a snapshot is taken each minute for a while (contract snapshots.md §4).

They are in the cluster's state, `watches/servers` and `watches/groups`: {ID: Unix time of the end}, so that they
outlive restarts. Who set them is beside it, `watch_owners/servers` and `watch_owners/groups`: {ID: {username, since}}.
What has ended is ignored; maintenance removes it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from conductor.definitions.state import GlobalState
from conductor.errors import Refusal
from conductor.monitoring.snapshots import Snapshots
from conductor.signals import EventRow
from shared import clock

Json = dict[str, Any]

_AT_SECOND = 30
_MOST_WAITING = 1_000
_KINDS = ("servers", "groups")
_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))

log = structlog.get_logger(__name__)


class Watches:
    """`sampled` is a sample observer; `run` is the term's."""

    def __init__(self, state: GlobalState, snapshots: Snapshots, most_of_a_user: int = 0) -> None:
        """`most_of_a_user`: watches that one user may have at once; 0 = any number."""
        self._state = state
        self._snapshots = snapshots
        self._most = most_of_a_user
        self._waiting: asyncio.Queue[tuple[Mapping[str, Any], Json]] = asyncio.Queue(_MOST_WAITING)
        self.changed: Callable[[], None] = _nothing
        """Called when a watch was set: browsers keep the state."""

    async def set(
        self,
        kind: str,
        resource_id: str,
        seconds: int,
        username: str = "",
        events: Sequence[EventRow] = (),
    ) -> None:
        """Watch for so long from now, in place of an earlier watch; 0 ends it. `kind`: servers or groups.

        `events` are written with the change; without one there are none. Raises Refusal (`watch`) when
        `username` has as many as one may have; Unavailable.
        """
        key, owners = f"watches/{kind}", f"watch_owners/{kind}"
        if seconds:
            now = int(clock.now())
            self._allow(kind, resource_id, username, now)
            owner = {"username": username, "since": now}
            changes: dict[str, Json] = {key: {resource_id: now + seconds}, owners: {resource_id: owner}}
            await self._state.merge_many(changes, events=events)
        elif resource_id in self._state.latest(key):
            await self._state.discard(key, resource_id, events=events)
            await self._state.discard(owners, resource_id)
        self.changed()

    def all(self, kind: str, now: float) -> dict[str, int]:
        """Those that last, with their ends."""
        ends = {id: self.until(kind, id) for id in self._state.get(f"watches/{kind}")}
        return {id: end for id, end in ends.items() if end > now}

    def owner(self, kind: str, resource_id: str) -> Mapping[str, Any]:
        """`username` and `since`, Unix time; empty where the watch is older than what is kept of it."""
        owner = self._state.latest(f"watch_owners/{kind}").get(resource_id)
        return owner if isinstance(owner, dict) else {}

    async def drop_ended(self) -> int:
        """Remove what has ended from the state; how many there were. Raises Unavailable."""
        dropped = 0
        for kind in _KINDS:
            ends, owners = self._state.latest(f"watches/{kind}"), self._state.latest(f"watch_owners/{kind}")
            ended = [id for id in ends if self.until(kind, id) < clock.now()]
            if ended:
                await self._state.discard(f"watches/{kind}", *ended)
            if left := [id for id in owners if id not in self._state.latest(f"watches/{kind}")]:
                await self._state.discard(f"watch_owners/{kind}", *left)
            dropped += len(ended)
        return dropped

    def until(self, kind: str, resource_id: str) -> int:
        """When the watch ends; 0 without one."""
        end = self._state.get(f"watches/{kind}").get(resource_id)
        return int(end) if isinstance(end, int | float) and not isinstance(end, bool) else 0

    def sampled(self, server: Mapping[str, Any], sample: Json, now: float, /) -> None:
        """Take a snapshot of this very sample if its server is watched."""
        date = sample.get("date") or now
        if self.until("servers", str(server["id"])) < date or self._waiting.full():
            return
        self._waiting.put_nowait((dict(server), sample))

    def forget(self) -> None:
        self._waiting = asyncio.Queue(_MOST_WAITING)

    async def run(self) -> None:
        """Until cancelled. Raises Deposed, in a group."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._of_servers(), name="watched servers")
            group.create_task(self._of_groups(), name="watched groups")

    def _allow(self, kind: str, resource_id: str, username: str, now: int) -> None:
        if not self._most or not username:
            return
        own = {
            (each, id)
            for each in _KINDS
            for id, end in self._state.latest(f"watches/{each}").items()
            if isinstance(end, int | float) and end > now and self.owner(each, id).get("username") == username
        }
        if len(own - {(kind, resource_id)}) >= self._most:
            raise Refusal("watch", f"You are watching {self._most} servers and groups already")

    async def _of_servers(self) -> None:
        while True:
            server, sample = await self._waiting.get()
            try:
                await self._snapshots.keep(server, sample, source="watch")
            except Refusal as refusal:
                log.warning(
                    "a watched server got no snapshot", server=server["id"], reason=refusal.description
                )

    async def _of_groups(self) -> None:
        while True:
            await asyncio.sleep(_until_next(clock.now()))
            await self.take_groups()

    async def take_groups(self) -> None:
        """One snapshot of each watched group; one that fails keeps no other from its own."""
        now = clock.now()
        for group_id in list(self._state.get("watches/groups")):
            if self.until("groups", group_id) <= now:
                continue
            try:
                await self._snapshots.take_group(group_id, source="watch")
            except Refusal as refusal:
                log.warning("a watched group got no snapshot", group=group_id, reason=refusal.description)


def in_words(seconds: int) -> str:
    """`5 minutes`, `1 hour`: the largest unit that divides it, as activities tell how long a watch lasts."""
    if not seconds:
        return "0 seconds (disabled)"
    size, unit = next((size, unit) for size, unit in _UNITS if seconds % size == 0)
    count = seconds // size
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _until_next(now: float) -> float:
    """Seconds to the next half of a minute; a whole one at it."""
    return 60 - (now - _AT_SECOND) % 60


def _nothing() -> None:
    """Nobody is looking."""
