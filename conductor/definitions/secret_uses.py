"""Who was handed which secret, how often, and when last: an observer that writes once a minute.

Each single use is a line of the logger `secrets` (vault.py). Contract api/secrets.yaml, platform.md: no usage report.
"""

import asyncio

import msgspec
import sqlalchemy as sa
import structlog

from conductor.definitions.json_values import Json
from conductor.errors import Deposed, Unavailable
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import secret_uses as table
from conductor.signals import SecretUsed, Signal
from shared.clock import now

FLUSH_SECONDS = 60.0

_PUT = upsert(table)
_MINE = sa.select(table.c.consumer, table.c.doc).where(table.c.id == sa.bindparam("of"))
_DROP = sa.delete(table).where(table.c.id == sa.bindparam("gone"))

log = structlog.get_logger(__name__)


class SecretUses:
    """`run` is a term's; what was counted is written once more when it ends."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._counted: dict[tuple[str, str], Json] = {}

    async def observe(self, signal: Signal) -> None:
        if isinstance(signal, SecretUsed):
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
        """Write what was counted; while the database is away it waits."""
        counted, self._counted = self._counted, {}
        try:
            for id in {id for id, _ in counted}:
                stored = await self._stored(id)
                rows = [
                    {
                        "id": id,
                        "consumer": consumer,
                        "doc": msgspec.json.encode(_sum(stored.get(consumer), use)),
                    }
                    for (of, consumer), use in counted.items()
                    if of == id
                ]
                await self._records.write(Write(_PUT, rows))
                counted = {key: use for key, use in counted.items() if key[0] != id}
        except (Unavailable, Deposed) as error:
            log.warning("the use of secrets was not written", reason=str(error))
            for key, use in self._counted.items():
                counted[key] = _sum(counted.get(key), use)
            self._counted = counted

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
