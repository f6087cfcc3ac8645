"""The schedule of whatever term there is: what outlives terms, and the way in for callers."""

import secrets
from collections.abc import Callable

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.errors import NotPrimary
from conductor.live.firings import Firings
from conductor.schedule.batches import PluginFiles
from conductor.schedule.launches import Launches
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.scheduler import Scheduler
from conductor.settings import Settings
from conductor.signals import Signal
from shared import clock


class Timekeeper:
    """Made once for each process: startup triggers fire once in its life."""

    def __init__(
        self,
        definitions: Definitions,
        plugins: TriggerPlugins,
        settings: Settings,
        signals: Signals,
        *,
        files: PluginFiles | None = None,
        now: Callable[[], float] = clock.now,
    ) -> None:
        self._definitions = definitions
        self._plugins = plugins
        self._settings = settings
        self._signals = signals
        self._files = files
        self._now = now
        self._born = clock.monotonic()
        self._name = secrets.token_hex(8)
        self._scheduler: Scheduler | None = None

    @property
    def scheduler(self) -> Scheduler:
        """Raises NotPrimary between terms."""
        if self._scheduler is None:
            raise NotPrimary
        return self._scheduler

    async def observe(self, signal: Signal) -> None:
        """An observer of the signals."""
        if self._scheduler is not None:
            self._scheduler.notice(signal)

    async def run(self, launches: Launches, firings: Firings) -> None:
        """Keep the schedule of one term until cancelled. Raises Deposed."""
        self._scheduler = Scheduler(
            self._definitions,
            firings,
            launches,
            self._plugins,
            self._settings,
            self._signals,
            files=self._files,
            uptime=lambda: clock.monotonic() - self._born,
            started=self._name,
            now=self._now,
        )
        try:
            await self._scheduler.run()
        finally:
            self._scheduler = None
