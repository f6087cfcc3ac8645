"""What of samples and timelines SQL does not have yet, and the task that brings it there, many servers at a time."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import structlog

from conductor.errors import Deposed, Unavailable
from conductor.monitoring.buckets import HOUR, MINUTE, Key, OpenHour
from conductor.monitoring.timelines import Timelines
from conductor.records import tables
from conductor.records.store import Records, Write, upsert
from shared.clock import Seconds

_FULL = 500
"""Samples that do not wait for the next write."""
_TOGETHER = 250
"""Servers of one transaction."""
_UPSERT = upsert(tables.samples)

log = structlog.get_logger(__name__)


class _Text(NamedTuple):
    """A host record on its way to SQL."""

    date: int
    doc: bytes


class Unwritten:
    """`run` must be running. `open_hour` answers the hour that a server's timeline is in; `written` is told of the
    servers of which something was written."""

    def __init__(
        self,
        records: Records,
        timelines: Timelines,
        open_hour: Callable[[str], OpenHour | None],
        written: Callable[[Iterable[str]], None],
        seconds: Seconds,
    ) -> None:
        self._records = records
        self._timelines = timelines
        self._open_hour = open_hour
        self._written = written
        self._seconds = seconds
        self._texts: dict[str, _Text] = {}
        self._writing: dict[str, _Text] = {}
        self._closed: dict[tuple[str, Key], bytes] = {}
        """Hours that have ended."""
        self._changed: set[str] = set()
        """Servers whose open hour has."""
        self._any = asyncio.Event()
        self._many = asyncio.Event()
        self._term = 0
        self.lock = asyncio.Lock()
        """Held while something is written."""

    # In

    def sample(self, server_id: str, date: int, doc: bytes) -> None:
        """The latest host record of a server, in place of an earlier one."""
        self._texts[server_id] = _Text(date, doc)
        self._any.set()
        if len(self._texts) >= _FULL:
            self._many.set()

    def changed(self, server_id: str) -> None:
        """Its open hour."""
        self._changed.add(server_id)
        self._any.set()

    def closed(self, server_id: str, documents: Mapping[Key, bytes]) -> None:
        """An hour has ended, or one that had ended has changed."""
        for key, doc in documents.items():
            self._closed[server_id, key] = doc
        self._any.set()

    # Out

    def latest(self, server_id: str) -> bytes | None:
        """The host record that SQL may not have."""
        kept = self._texts.get(server_id) or self._writing.get(server_id)
        return kept.doc if kept else None

    def rows(self, server_id: str) -> dict[Key, bytes]:
        """The rows that SQL may not have."""
        rows = {key: doc for (server, key), doc in self._closed.items() if server == server_id}
        hour = self._open_hour(server_id)
        return rows if hour is None or hour.empty else rows | hour.documents()

    def hour(self, server_id: str, number: int) -> dict[int, bytes]:
        """What waits of one of its hours that have ended, by resolution."""
        wanted = ((source, number * HOUR) for source in (MINUTE, HOUR))
        found = ((key[0], self._closed.get((server_id, key))) for key in wanted)
        return {source: doc for source, doc in found if doc is not None}

    def has(self, server_id: str) -> bool:
        return server_id in self._texts or server_id in self._changed

    def has_rows(self, server_ids: Iterable[str]) -> bool:
        """Whether hours of any of these wait, or are being written."""
        waiting = self._changed | {id for id, _ in self._closed}
        return self.lock.locked() or not waiting.isdisjoint(server_ids)

    # Less

    def drop(self, server_id: str) -> None:
        """A server's, unwritten."""
        self._texts.pop(server_id, None)
        self._changed.discard(server_id)
        for place in [place for place in self._closed if place[0] == server_id]:
            del self._closed[place]

    def forget(self) -> None:
        """The term has ended: the next primary has what is newer, and ours must not go over it."""
        self._term += 1
        for kept in (self._texts, self._writing, self._closed, self._changed):
            kept.clear()

    def __len__(self) -> int:
        """What is kept, of all servers."""
        return len(self._texts) + len(self._writing) + len(self._closed) + len(self._changed)

    # Writing

    async def run(self) -> None:
        """Write what was taken, until cancelled."""
        while True:
            await self._any.wait()
            try:
                async with asyncio.timeout(self._seconds):
                    await self._many.wait()
            except TimeoutError:
                pass
            await self.flush()
            if self._any.is_set():
                await asyncio.sleep(self._seconds / 10)

    async def flush(self) -> bool:
        """Write what waits now; what cannot be written waits on, and the answer is False."""
        async with self.lock:
            self._any.clear()
            self._many.clear()
            servers = [*dict.fromkeys((*self._texts, *self._changed, *(id for id, _ in self._closed)))]
            for at in range(0, len(servers), _TOGETHER):
                if not await self._write(servers[at : at + _TOGETHER]):
                    return False
        return True

    async def _write(self, servers: Sequence[str]) -> bool:
        """One transaction; False when it must be tried again later."""
        term = self._term
        texts = {id: text for id in servers if (text := self._texts.pop(id, None)) is not None}
        self._writing = texts
        wanted = set(servers)
        closed = {place: doc for place, doc in self._closed.items() if place[0] in wanted}
        rows = [(server, key, doc) for (server, key), doc in closed.items()]
        changed = wanted & self._changed
        self._changed -= changed
        for id in changed:
            if (hour := self._open_hour(id)) is not None and not hour.empty:
                rows += [(id, key, doc) for key, doc in hour.documents().items()]
        samples = [{"server": id, "date": text.date, "doc": text.doc} for id, text in texts.items()]
        try:
            await self._records.write(Write(_UPSERT, samples), self._timelines.write(rows))
        except Deposed:
            log.info("samples of an earlier term are dropped", samples=len(texts))
        except Unavailable as error:
            log.warning("samples wait for the database", error=error.description)
            if term == self._term:
                self._texts = {**texts, **self._texts}
                self._changed |= changed
                self._any.set()
            return False
        finally:
            self._writing = {}
        if term == self._term:
            for place, doc in closed.items():
                if self._closed.get(place) is doc:
                    del self._closed[place]
            self._written(wanted)
        return True
