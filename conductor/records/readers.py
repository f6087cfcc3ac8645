"""Threads that read, each with its own connection that refuses to write."""

import asyncio
import queue
import threading
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
import structlog

from conductor.errors import Unavailable
from conductor.records.engines.contract import Engine

T = TypeVar("T")

_WAITING = 1024
"""Reads that may wait; further callers wait for a place."""
_RETRY_SECONDS = 0.2

log = structlog.get_logger(__name__)


class _Read:
    __slots__ = ("done", "query")

    def __init__(self, query: Callable[[sa.Connection], Any], done: asyncio.Future[Any]) -> None:
        self.query = query
        self.done = done


class Readers:
    """Belongs to the event loop it is made in; `read` is called there."""

    def __init__(self, engine: Engine, count: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(_WAITING)
        self._queue: queue.SimpleQueue[_Read | None] = queue.SimpleQueue()
        self._closed = False
        self._readers = [_Reader(engine, self._queue, self._loop, number) for number in range(count)]

    async def read(self, query: Callable[[sa.Connection], T], timeout: float) -> T:
        """Run `query` in a reader's thread. Raises Unavailable; what `query` itself raises comes through."""
        if self._closed:
            raise Unavailable("The database is closed")
        read: _Read | None = None
        try:
            async with asyncio.timeout(timeout):
                async with self._places:
                    read = _Read(query, self._loop.create_future())
                    self._queue.put(read)
                    result: T = await read.done
                    return result
        except TimeoutError:
            for reader in self._readers:
                reader.interrupt(read)
            raise Unavailable(f"The database did not answer within {timeout:g} seconds") from None

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            for _ in self._readers:
                self._queue.put(None)
            for reader in self._readers:
                await asyncio.to_thread(reader.thread.join)


class _Reader:
    def __init__(
        self,
        engine: Engine,
        reads: "queue.SimpleQueue[_Read | None]",
        loop: asyncio.AbstractEventLoop,
        number: int,
    ) -> None:
        self._engine = engine
        self._queue = reads
        self._loop = loop
        self._connection: sa.Connection | None = None
        self._current: _Read | None = None
        self._lock = threading.Lock()
        self.thread = threading.Thread(target=self._run, name=f"records reader {number}", daemon=True)
        self.thread.start()

    def interrupt(self, read: _Read | None) -> None:
        """End `read` if it is the one that runs here."""
        with self._lock:
            if read is not None and self._current is read and self._connection is not None:
                self._engine.interrupt(self._connection)

    def _run(self) -> None:
        while (read := self._queue.get()) is not None:
            if not read.done.done():
                self._answer(read)
        self._drop_connection()

    def _answer(self, read: _Read) -> None:
        while not read.done.done():
            try:
                connection = self._connection or self._connect()
            except sa.exc.DBAPIError as error:
                self._wait_for_database(error)
                continue
            with self._lock:
                self._current = read
            result, failure = None, None
            try:
                result = read.query(connection)
            except Exception as error:
                failure = error
            finally:
                with self._lock:
                    self._current = None
            if failure is not None and self._engine.is_transient(failure):
                self._wait_for_database(failure)
                continue
            self._loop.call_soon_threadsafe(_resolve, read, result, failure)
            return

    def _connect(self) -> sa.Connection:
        self._connection = self._engine.connect_reader()
        return self._connection

    def _wait_for_database(self, error: Exception) -> None:
        log.warning("database is away, a read waits", error=type(error).__name__)
        self._drop_connection()
        threading.Event().wait(_RETRY_SECONDS)

    def _drop_connection(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sa.exc.SQLAlchemyError:
                log.debug("connection was already gone")


def _resolve(read: _Read, result: Any, failure: Exception | None) -> None:
    if read.done.done():
        return
    if failure is None:
        read.done.set_result(result)
    elif isinstance(failure, sa.exc.DBAPIError):
        refusal = Unavailable(f"The database refused the question: {type(failure.orig).__name__}")
        refusal.__cause__ = failure
        read.done.set_exception(refusal)
    else:
        read.done.set_exception(failure)
