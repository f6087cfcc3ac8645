"""Startup triggers: once in the life of a process, not at a fail-over (contract scheduler.md §13)."""

import asyncio
from collections.abc import Callable

import structlog

from conductor.definitions.repository import Definitions
from conductor.schedule.building import at_startup
from conductor.schedule.durations import seconds_of
from conductor.schedule.evaluation import Turn
from conductor.schedule.firing import Firer
from conductor.schedule.index import Slot
from conductor.schedule.launches import Doc
from conductor.schedule.progress import Progress
from conductor.schedule.timetable import Timetable, startup_trigger
from conductor.schedule.triggers.base import MINUTE, floored
from conductor.settings import Settings

_PAUSE_SECONDS = 0.25
_DEFAULT_UPTIME = 300.0

log = structlog.get_logger(__name__)


class Startup:
    def __init__(
        self,
        definitions: Definitions,
        firer: Firer,
        progress: Progress,
        settings: Settings,
        *,
        uptime: Callable[[], float],
        started: str,
        now: Callable[[], float],
        enabled: Callable[[], bool],
        why_not: Callable[[Doc], str],
    ) -> None:
        """`uptime`: seconds that this process has run; `started` names this start of it."""
        self._definitions = definitions
        self._firer = firer
        self._progress = progress
        self._longest = seconds_of(settings.min_startup_trigger_uptime, _DEFAULT_UPTIME)
        self._uptime = uptime
        self._started = started
        self._now = now
        self._enabled = enabled
        self._why_not = why_not
        self.over = False
        """They have had their turn."""

    async def run(self) -> None:
        """Launch each event's first enabled startup trigger. Raises Deposed."""
        await asyncio.sleep(_PAUSE_SECONDS)
        if self._enabled() and self._uptime() <= self._longest:
            for event in self._definitions.all("events"):
                await self._fire(event)
        self.over = True

    def mark(self, event_id: str) -> str:
        """With an empty ID: how the marks of all events end."""
        return f"{event_id}/startup/{self._started}"

    async def _fire(self, event: Doc) -> None:
        trigger = startup_trigger(event)
        if trigger is None or self._why_not(event):
            return
        minute = floored(self._now())
        mark = self.mark(str(event["id"]))
        slot = Slot(event, Timetable(str(event["id"])), 0, Turn(minute))
        try:
            launch = at_startup(event, trigger, mark, minute)
        except (TypeError, ValueError, LookupError, AttributeError):
            log.exception("a startup launch cannot be made", event_id=slot.event_id)
            return
        await self._firer.launch(slot, launch)
        # A second term of this process, soon after, must not fire it again.
        self._progress.keep(minute + int(self._longest) + MINUTE, [mark])
