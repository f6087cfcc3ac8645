"""Keeps satellites in step with the definitions: their plugins, and which groups they belong to."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from conductor.definitions.repository import Definitions
from conductor.errors import Unavailable
from conductor.fleet import servers
from conductor.fleet.joining import Joining
from conductor.fleet.roster import Roster
from shared import clock

_CHECK_SECONDS = 1.0
_GROWTH = 1.25
"""A fleet that has grown or shrunk by this factor since the last time is told so."""

_SMALL = 8
"""Of fewer servers the samples come within a quarter of a second anyway."""
_RECENT_SECONDS = 86_400
"""Servers that left are remembered for so long, and until midnight (contract monitoring.md §8)."""

log = structlog.get_logger(__name__)


class Members:
    """Watches the versions of plugins and groups, since a burst of edits needs telling once.

    Before a job is launched its satellite is told at once: it must not run yesterday's script.
    """

    def __init__(
        self,
        roster: Roster,
        joining: Joining,
        definitions: Definitions,
        regroup_offline: Callable[[], Awaitable[object]],
    ) -> None:
        self._roster = roster
        self._joining = joining
        self._definitions = definitions
        self._regroup_offline = regroup_offline
        self._plugins = self._told()
        roster.script_of = self._script
        self._size = _SMALL
        self._groups = -1  # an earlier term may have died between a change and its consequences

    async def run(self) -> None:
        """Until cancelled."""
        self._roster.before_launch = self.tell_plugins
        day = time.localtime().tm_yday
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self.tell_plugins()
            self._tell_size()
            now, today = clock.now(), time.localtime().tm_yday
            self._roster.forget_left(now - _RECENT_SECONDS if today == day else now)
            day = today
            if self._groups != (version := self._definitions.version("groups")):
                self._groups = version
                await self._regroup()

    def tell_plugins(self) -> None:
        """Send every satellite its plugins if they or their secrets have changed."""
        if self._plugins != (versions := self._told()):
            self._plugins = versions
            for server_id, record in self._roster.online.items():
                self._roster.tell(server_id, "update", self._joining.lists(record))

    def _script(self, plugin_id: str) -> str:
        plugin = self._definitions.get("plugins", plugin_id) or {}
        return str(plugin.get("script") or "") if plugin.get("type") == "event" else ""

    def _tell_size(self) -> None:
        """Satellites spread their samples by the number of servers they know of since they joined."""
        size = max(len(self._roster.online), _SMALL)
        if not self._size / _GROWTH < size < self._size * _GROWTH:
            self._size = size
            self._roster.tell_all("update", {"numServers": size})

    def _told(self) -> tuple[int, int]:
        return self._definitions.version("plugins"), self._definitions.version("secrets")

    async def _regroup(self) -> None:
        groups = self._definitions.all("groups")
        for server_id, record in list(self._roster.online.items()):
            member_of = servers.regroup(record, groups)
            if member_of != record["groups"]:
                record["groups"] = member_of
                record["keywords"] = servers.keywords(record)
                self._roster.tell(server_id, "update", {"groups": member_of, **self._joining.lists(record)})
                await self._joining.save(record)
        try:
            await self._regroup_offline()
        except Unavailable as error:
            self._groups = -1  # the next second tries again
            log.warning("offline servers wait for their groups", error=str(error))
