"""First samples of servers: they wait until it is known how their timelines stand in SQL.

They gather for a moment, so that a fleet that comes back is read in a few queries.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from conductor.errors import Unavailable
from conductor.monitoring.buckets import HOUR, BadBlock, OpenHour
from conductor.monitoring.monitors import Reading
from conductor.monitoring.timelines import Known, Timelines
from conductor.monitoring.unwritten import Unwritten
from shared.clock import Seconds

Record = dict[str, Any]
Take = Callable[[Record, Record, OpenHour, Reading | None], None]
"""Told of a sample and of how its server stood before: record, sample, open hour, last reading."""

_GATHER_SECONDS: Seconds = 0.05
_SETTLE_SECONDS: Seconds = 10.0
_AT_A_TIME = 20
"""Samples between which others have their turn."""

log = structlog.get_logger(__name__)


class FirstSamples:
    """`run` must be running."""

    def __init__(self, timelines: Timelines, unwritten: Unwritten, take: Take) -> None:
        self._timelines = timelines
        self._unwritten = unwritten
        self._take = take
        self._waiting: dict[str, tuple[Record, Record]] = {}
        self._came = asyncio.Event()
        self._settled = asyncio.Event()
        self._term = 0

    def __contains__(self, server_id: object) -> bool:
        return server_id in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, server: Record, sample: Record) -> None:
        """Of a server that is not known yet, or whose clock was set back into an hour that is closed."""
        self._waiting.setdefault(str(sample["server"]), (server, sample))
        self._came.set()

    def drop(self, server_id: str) -> None:
        self._waiting.pop(server_id, None)

    def forget(self) -> None:
        """The term has ended."""
        self._term += 1
        self._waiting.clear()

    async def settled(self, server_id: str) -> None:
        """Return when the server's first sample, if one waits, is taken. Raises Unavailable."""
        if server_id not in self._waiting:
            return
        try:
            async with asyncio.timeout(_SETTLE_SECONDS):
                while server_id in self._waiting:
                    await self._settled.wait()
        except TimeoutError:
            raise Unavailable("The database did not answer") from None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._came.wait()
            await asyncio.sleep(_GATHER_SECONDS)
            try:
                await self.load()
            except Unavailable as error:
                log.warning("first samples wait for the database", error=error.description)
                await asyncio.sleep(1)

    async def load(self) -> None:
        """Take the samples that wait. Raises Unavailable; then they wait on."""
        term, first = self._term, dict(self._waiting)
        if not first:
            self._came.clear()
            return
        if self._unwritten.has_rows(first):
            await self._unwritten.flush()  # the clock was set back: what is read next must be in SQL
        hours: dict[int, list[str]] = {}
        for server_id, (_, sample) in first.items():
            hours.setdefault(sample["date"] // HOUR, []).append(server_id)
        known: dict[str, Known] = {}
        for hour, servers in hours.items():
            known |= await self._timelines.known(servers, hour)
        if term == self._term:
            await self._take_all(first, known, term)

    async def _take_all(
        self, first: Mapping[str, tuple[Record, Record]], known: Mapping[str, Known], term: int
    ) -> None:
        for number, (server_id, (server, sample)) in enumerate(first.items(), 1):
            if self._waiting.pop(server_id, None) is None:
                continue  # deleted meanwhile
            found = known[server_id]
            self._take(server, sample, _opened(server_id, sample["date"] // HOUR, found), found.reading)
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
                if term != self._term:
                    return
        self._settled.set()
        self._settled = asyncio.Event()


def _opened(server_id: str, hour: int, found: Known) -> OpenHour:
    try:
        return OpenHour(hour, found.documents)
    except BadBlock as error:
        log.warning(
            "an hour of a timeline cannot be read, it begins anew", server=server_id, error=str(error)
        )
        return OpenHour(hour)
