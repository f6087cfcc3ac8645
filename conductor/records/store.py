"""Records: the SQL database as the rest of the conductor sees it.

Reads run in reader threads; all changes go through one writer thread, which commits the changes of many
callers together. A change that `write` has returned from is committed.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

import sqlalchemy as sa

from conductor.errors import Unavailable
from conductor.records.commit import Rows, Write
from conductor.records.engines.contract import Engine
from conductor.records.readers import Readers
from conductor.records.schema import SchemaError, prepare
from conductor.records.statements import insert_new, upsert
from conductor.records.tables import fence
from conductor.records.writer import Writer
from conductor.signals import EventRow

__all__ = ["Records", "Rows", "SchemaError", "Write", "insert_new", "upsert"]

T = TypeVar("T")

_RAISE_FENCE = sa.text(
    "INSERT INTO fence (id, epoch) VALUES (1, :epoch) ON CONFLICT (id) "
    "DO UPDATE SET epoch = excluded.epoch WHERE fence.epoch < excluded.epoch"
)


class Records:
    """One open database. Made by `open`, used in that event loop, ended by `close`."""

    def __init__(self, engine: Engine, writer: sa.Connection, readers: int) -> None:
        self.dialect = engine.dialect
        self._engine = engine
        self._writer = Writer(engine, writer)
        self._readers = Readers(engine, readers)

    @classmethod
    async def open(cls, url: str, *, strict: bool = False, readers: int = 4) -> "Records":
        """Open `sqlite:////absolute/path.db` or `postgresql://user@host/name`; create or upgrade its schema.

        `strict`: a committed change survives a power loss too. Raises Unavailable when the database cannot
        be reached, SchemaError when it was used by a newer version.
        """
        engine = _engine(url, strict)
        try:
            connection = await asyncio.to_thread(_connect, engine)
        except sa.exc.SQLAlchemyError as error:
            engine.dispose()
            place = sa.make_url(url).render_as_string(hide_password=True)
            reason = getattr(error, "orig", None) or error
            raise Unavailable(f"Cannot open the database {place}: {reason}") from error
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, connection, readers)

    async def close(self) -> None:
        """Write what is queued, then end the threads."""
        await self._writer.close()
        await self._readers.close()
        self._engine.dispose()

    async def read(self, query: Callable[[sa.Connection], T], timeout: float = 10.0) -> T:
        """What `query` returns; it runs in a reader's thread and must not touch the event loop.

        Each statement sees what is committed when it starts. Raises Unavailable; `query`'s own exceptions
        come through.
        """
        return await self._readers.read(query, timeout)

    async def begin_term(self, epoch: int, events: Sequence[EventRow] = ()) -> None:
        """From now on this conductor writes, and none with a smaller epoch. Raises Deposed if it is one itself.

        What such a one had begun to write is committed or refused for good when this returns.
        """
        self._writer.epoch = epoch
        await self.write(Write(_RAISE_FENCE, {"epoch": epoch}), events=events)

    async def epoch(self) -> int:
        """The greatest epoch that has begun a term on this database; 0 before the first."""
        return await self.read(lambda connection: connection.execute(sa.select(fence.c.epoch)).scalar() or 0)

    async def write(
        self, *writes: Write, timeout: float = 10.0, fenced: bool = True, events: Sequence[EventRow] = ()
    ) -> int:
        """Do all of `writes` or nothing; return how many rows the first one touched, once committed.

        `events` are appended to the causal log in the same transaction, unless their IDs are there already;
        only by the primary, since two who append would break its chain.

        Raises Deposed when another conductor's term has begun since ours; not if `fenced` is false.

        After a lost connection the whole is tried again while this call waits, so that each statement must
        be one that may be repeated: keyed by ID, never "one more". Raises Unavailable: nothing is promised.
        """
        if events and not fenced:
            raise ValueError("events are appended by the primary alone")
        return await self._writer.submit(writes, False, timeout, fenced=fenced, events=events)

    async def write_if(
        self, first: Write, *then: Write, timeout: float = 10.0, events: Sequence[EventRow] = ()
    ) -> bool:
        """Do `first`, and in the same transaction `then` and `events` if it touched a row; whether it did.

        False also when the connection was lost during the commit and the commit had in fact happened: then
        `then` was done as well.
        """
        return await self._writer.submit((first, *then), True, timeout, events=events) > 0


def _engine(url: str, strict: bool) -> Engine:
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise Unavailable("The database URL cannot be read") from None
    match parsed.get_backend_name():
        case "sqlite":
            from conductor.records.engines.sqlite import SQLite

            return SQLite(parsed, strict)
        case "postgresql" | "postgres":
            from conductor.records.engines.postgres import PostgreSQL

            return PostgreSQL(parsed, strict)
        case other:
            raise Unavailable(f"No support for {other} databases: use sqlite or postgresql")


def _connect(engine: Engine) -> sa.Connection:
    connection = engine.connect_writer()
    try:
        prepare(engine, connection)
    except BaseException:
        connection.close()
        raise
    return connection
