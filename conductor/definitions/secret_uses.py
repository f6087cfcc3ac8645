"""Who was handed which secret, how often, and when last: an observer that writes every few seconds.

The event log learns of each use with the count of it, in the same transaction.

Each single use is a line of the logger `secrets` (vault.py). Contract api/secrets.yaml, platform.md: no usage report.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import sqlalchemy as sa
import structlog

from conductor.definitions.json_values import Json
from conductor.errors import Deposed, Unavailable
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import secret_uses as table
from conductor.signals import EventRow, SecretUsed, Signal
from shared.clock import now

FLUSH_SECONDS = 5.0
_MOST_WAITING = 5_000
"""Uses that are counted and not yet logged; further ones wait, and their queue drops the oldest."""

_PUT = upsert(table)
_MINE = sa.select(table.c.consumer, table.c.doc).where(table.c.id == sa.bindparam("of"))
_DROP = sa.delete(table).where(table.c.id == sa.bindparam("gone"))

log = structlog.get_logger(__name__)


class SecretUses:
    """`run` is a term's; what was counted is written once more when it ends."""

    def __init__(
        self, records: Records, describe: Callable[[Signal], Sequence[EventRow]] = lambda _: ()
    ) -> None:
        """`describe` makes the rows of the event log."""
        self._records = records
        self._describe = describe
        self._counted: dict[tuple[str, str], Json] = {}
        self._untold: list[EventRow] = []
        self._flushed = asyncio.Condition()
        self._flushing = asyncio.Lock()
        """Counts are read and written again: one at a time."""

    async def observe(self, signal: Signal) -> None:
        if isinstance(signal, SecretUsed):
            async with self._flushed:
                await self._flushed.wait_for(lambda: len(self._untold) < _MOST_WAITING)
            self._untold += self._describe(signal)
            moment = int(now())
            key = (signal.secret_id, "/".join(signal.used_by)[:_LONGEST])
            use = self._counted.setdefault(key, {"count": 0, "first": moment, "last": moment})
            use["count"] += 1
            use["last"] = moment

    async def run(self, every: float = FLUSH_SECONDS) -> None:
        while True:
            await asyncio.sleep(every)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted, all of it or nothing; while the database is away it waits."""
        async with self._flushing:
            await self._flush()

    async def _flush(self) -> None:
        counted, self._counted = self._counted, {}
        untold, self._untold = self._untold, []
        if not counted and not untold:
            return
        try:
            known = {id: await self._stored(id) for id in {id for id, _ in counted}}
            rows = [
                {"id": id, "consumer": to, "doc": msgspec.json.encode(_sum(known[id].get(to), use))}
                for (id, to), use in counted.items()
            ]
            await self._records.write(Write(_PUT, rows), events=untold)
        except (Unavailable, Deposed) as error:
            log.warning("the use of secrets was not written", reason=str(error))
            for key, use in self._counted.items():
                counted[key] = _sum(counted.get(key), use)
            self._counted = counted
            self._untold = [*untold, *self._untold]
        async with self._flushed:
            self._flushed.notify_all()

    async def of(self, id: str) -> list[Json]:
        """`type` and `id` of each consumer, with `count`, `first` and `last`; the latest first."""
        await self.flush()
        told = []
        for consumer, use in (await self._stored(id)).items():
            kind, _, name = consumer.partition("/")
            told.append({"type": kind, "id": name, **use})
        return sorted(told, key=lambda one: one["last"], reverse=True)

    async def drop(self, id: str) -> None:
        """The secret is gone."""
        self._counted = {key: use for key, use in self._counted.items() if key[0] != id}
        await self._records.write(Write(_DROP, {"gone": id}))

    async def _stored(self, id: str) -> dict[str, Json]:
        rows = await self._records.read(lambda sql: sql.execute(_MINE, {"of": id}).all())
        return {row.consumer: msgspec.json.decode(row.doc) for row in rows}


_LONGEST = 160


def _sum(before: Json | None, use: Json) -> Json:
    if before is None:
        return use
    return {**use, "count": before["count"] + use["count"], "first": before["first"]}
