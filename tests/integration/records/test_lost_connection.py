"""PostgreSQL goes away and comes back; SQLite's file is locked by somebody else."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
import sqlalchemy as sa

from conductor.errors import Unavailable
from conductor.records import tables
from conductor.records.store import Records, Write, insert_new, upsert
from tests.databases import PostgresServer

PUT = upsert(tables.users)
ADD = insert_new(tables.users)


def count(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(tables.users)).scalar_one())


async def test_every_write_survives_cut_connections(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    records = await Records.open(url, readers=1)
    assert await records.read(count) == 0

    async def write(start: int) -> None:
        for number in range(50):
            await records.write(Write(PUT, {"id": f"u{start}-{number}", "doc": b"{}"}))

    async with asyncio.TaskGroup() as group:
        writers = [group.create_task(write(start)) for start in range(8)]
        cut = 0
        while not all(writer.done() for writer in writers) and cut < 6:
            cut += await asyncio.to_thread(postgres.end_connections, url)
    assert cut > 0
    assert await records.read(count) == 8 * 50
    await records.close()
    postgres.drop_database(url)


async def test_a_locked_sqlite_file_delays_writes_and_loses_none(tmp_path: Path) -> None:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    other = sqlite3.connect(tmp_path / "records.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable):
        await records.write(Write(ADD, {"id": "gave up", "doc": b"{}"}), timeout=0.2)
    waiting = [
        asyncio.ensure_future(records.write(Write(ADD, {"id": f"u{n}", "doc": b"{}"}))) for n in range(5)
    ]
    assert await records.read(count) == 0, "readers do not wait for the writer"
    other.execute("ROLLBACK")
    assert await asyncio.gather(*waiting) == [1] * 5
    other.close()
    found = await records.read(
        lambda connection: set(connection.execute(sa.select(tables.users.c.id)).scalars())
    )
    assert found >= {f"u{n}" for n in range(5)}
    await records.close()
