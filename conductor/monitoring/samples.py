"""Samples of servers, kept raw: the latest minute sample of each in SQL, the last minute of quick ones here."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from conductor.errors import Deposed, Unavailable
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records
from shared import clock
from shared.protocol.updates import storable

Record = dict[str, Any]
SampleObserver = Callable[[Mapping[str, Any], Record, float], None]
"""Judges each accepted sample, as alerts do: server, host record, time."""

QUICK_KEPT = 60
"""Quick samples kept of each server, one a second."""
_WRITE_SECONDS = 0.5
_LIVE_INFO = ("cpu", "memory", "process")

log = structlog.get_logger(__name__)


class Samples:
    """Takes samples as they come and writes the minute samples together, twice a second."""

    def __init__(self, records: Records, observers: Sequence[SampleObserver] = ()) -> None:
        """`observers` are called in their order with each accepted minute sample."""
        self._records = records
        self._observers = tuple(observers)
        self._stored = Documents(records, tables.samples)
        self._minute: dict[str, Record] = {}
        self._unwritten: set[str] = set()
        self._any_unwritten = asyncio.Event()
        self._quick: dict[str, deque[Record]] = {}
        self._offline: set[str] = set()
        """Servers that left while a sample of theirs was not written yet."""
        self.taken = 0
        """Minute samples taken since the start."""

    def minute(self, server: Record, message: Record) -> None:
        """Keep a server's minute sample and refresh the live part of its record; the first of a minute counts."""
        data = message.get("data")
        if not isinstance(data, dict) or not storable(data):
            return
        date = int(clock.now())
        if server.get("last_time_code") == date // 60:
            return
        server["last_time_code"] = date // 60
        server_id = str(server["id"])
        self._offline.discard(server_id)
        sample = self._minute[server_id] = {
            "version": str(message.get("version", "1.0")),
            "date": date,
            "server": server_id,
            "hostname": server["hostname"],
            "ip": server.get("ip", ""),
            "groups": server.get("groups", []),
            "data": data,
        }
        for observer in () if data.get("dummy") else self._observers:
            try:
                observer(server, sample, date)
            except Exception:
                log.exception("an observer of samples failed", server=server_id)
        self._unwritten.add(server_id)
        self._any_unwritten.set()
        self.taken += 1
        info = server["info"] = dict(server["info"])
        for part in _LIVE_INFO:
            if isinstance(data.get(part), dict) and data[part]:
                info[part] = (
                    {**data[part], "combo": info["cpu"].get("combo", "")} if part == "cpu" else data[part]
                )

    def quick(self, server_id: str, data: Record) -> None:
        """Keep a quick sample, raw."""
        ring = self._quick.setdefault(server_id, deque(maxlen=QUICK_KEPT))
        ring.append({"date": int(clock.now()), **data})

    async def latest(self, server_id: str) -> Record | None:
        """The server's last minute sample, or None when it never sent one."""
        return self._minute.get(server_id) or await self._stored.get(server_id)

    def recent(self, server_id: str) -> list[Record]:
        """Its quick samples, oldest first."""
        return list(self._quick.get(server_id, ()))

    def forget(self, server_id: str) -> None:
        """The server is offline: its last minute sample is in SQL, or will be, and the rest is of no use."""
        self._quick.pop(server_id, None)
        if server_id in self._unwritten:
            self._offline.add(server_id)
        else:
            self._minute.pop(server_id, None)

    async def delete(self, server_id: str) -> None:
        """The server is deleted: nothing of its samples stays."""
        self.forget(server_id)
        self._minute.pop(server_id, None)
        self._unwritten.discard(server_id)
        self._offline.discard(server_id)
        await self._stored.delete(server_id)

    def forget_all(self) -> None:
        """The term has ended: the next primary has the newer samples, and ours must not go over them."""
        self._minute.clear()
        self._unwritten.clear()
        self._offline.clear()
        self._quick.clear()

    async def run(self) -> None:
        """Write what was taken, until cancelled."""
        while True:
            await self._any_unwritten.wait()
            await asyncio.sleep(_WRITE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits now; what cannot be written waits on."""
        self._any_unwritten.clear()
        unwritten, self._unwritten = self._unwritten, set()
        writes = [
            self._stored.put_write(server_id, sample, date=sample["date"])
            for server_id in unwritten
            if (sample := self._minute.get(server_id))
        ]
        if not writes:
            return
        try:
            await self._records.write(*writes)
        except Deposed:
            log.info("samples of an earlier term are dropped", samples=len(unwritten))
        except Unavailable as error:
            self._unwritten |= unwritten
            self._any_unwritten.set()
            log.warning("samples wait for the database", error=str(error))
        else:
            for server_id in self._offline & unwritten - self._unwritten:
                self._minute.pop(server_id, None)
            self._offline -= unwritten - self._unwritten
