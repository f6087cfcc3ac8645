"""What an operator may ask of the database: its size, its counts, its health."""

from typing import Any

import sqlalchemy as sa

from conductor.administration.collections import Collections
from conductor.administration.internal_jobs import InternalJob
from conductor.records.store import Records, Write

Json = dict[str, Any]

_ANALYZE = sa.text("ANALYZE")


class Upkeep:
    def __init__(self, records: Records, collections: Collections) -> None:
        self._records = records
        self._collections = collections

    async def size(self) -> int:
        """Bytes of the database."""
        if self._records.dialect == "sqlite":
            pages = await self._pragma("page_count")
            return int(pages) * int(await self._pragma("page_size"))
        query = "SELECT pg_database_size(current_database())"
        return await self._records.read(
            lambda connection: int(connection.exec_driver_sql(query).scalar_one()), timeout=30.0
        )

    async def counts(self) -> dict[str, int]:
        """Records of each collection."""
        return {name: await self._collections.count(name) for name in self._collections.names}

    async def optimize(self, job: InternalJob) -> None:
        """Check an embedded database and fold its journal back; have PostgreSQL count anew."""
        if self._records.dialect == "sqlite":
            health = str(await self._pragma("quick_check(10)"))
            job.progress(0.7)
            await self._pragma("wal_checkpoint(PASSIVE)")
            report = f"- integrity: {health}"
        else:
            # Its planner works by statistics; the embedded one's is told what to do (records.search.plan).
            await self._records.write(Write(_ANALYZE), timeout=600.0)
            report = "- statistics of all tables were renewed"
        job.progress(0.9)
        rows = "\n".join(f"- {name}: {count} records" for name, count in (await self.counts()).items())
        job.details = f"{report}\n- size: {await self.size()} bytes\n{rows}"

    async def _pragma(self, name: str) -> Any:
        return await self._records.read(
            lambda connection: connection.exec_driver_sql(f"PRAGMA {name}").scalar(), timeout=600.0
        )
