"""The one thread that changes the database.

Everything that waits goes into one transaction: under load a commit is shared by many callers, alone a
caller waits for nobody. A bad write fails its own caller only. While the database cannot be reached the
queue stays, and is written when it comes back, for those who still wait.
"""

import asyncio
import queue
import threading
from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from conductor.errors import Deposed, Unavailable
from conductor.records.bulk import BulkInserts
from conductor.records.chain import Chain
from conductor.records.commit import Transaction, UnclearError, Write, run_alone, run_together
from conductor.records.engines.contract import Engine
from conductor.signals import EventRow

_WAITING = 4096
"""Transactions that may wait; further callers wait for a place."""
_TOGETHER = 256
"""Transactions of one commit: bounds what a rollback repeats, and a caller's wait behind others."""
_RETRY_SECONDS = (0.05, 0.2, 0.5, 1.0)

log = structlog.get_logger(__name__)


class _Waiting(Transaction):
    __slots__ = ("done",)

    def __init__(
        self,
        writes: tuple[Write, ...],
        conditional: bool,
        fenced: bool,
        events: Sequence[EventRow],
        done: asyncio.Future[int],
    ) -> None:
        super().__init__(writes, conditional, fenced, events)
        self.done = done


class Writer:
    """Belongs to the event loop it is made in; `submit` is called there."""

    def __init__(self, engine: Engine, connection: sa.Connection) -> None:
        self._engine = engine
        self._connection: sa.Connection | None = connection
        self._loop = asyncio.get_running_loop()
        self._places = asyncio.Semaphore(_WAITING)
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._inserts = BulkInserts(engine.max_parameters)
        self._chain = Chain(self._inserts)
        self._closed = False
        self.epoch = 0
        """Of the last term of this conductor; set before its first write."""
        self._chained_at = 0
        self._thread = threading.Thread(target=self._run, name="records writer", daemon=True)
        self._thread.start()

    async def submit(
        self,
        writes: tuple[Write, ...],
        conditional: bool,
        timeout: float,
        *,
        fenced: bool = True,
        events: Sequence[EventRow] = (),
    ) -> int:
        """Write, with what the log says of it; return the row count of the first write, once committed.

        Raises Deposed when it is `fenced` and a later term has begun. Raises Unavailable when refused, or
        unknown after `timeout` seconds: then it may still be written if it was being written just then, and
        never if it was still waiting.
        """
        if self._closed:
            raise Unavailable("The database is closed")
        try:
            async with asyncio.timeout(timeout):
                async with self._places:
                    done: asyncio.Future[int] = self._loop.create_future()
                    self._queue.put(_Waiting(writes, conditional, fenced, events, done))
                    return await done
        except TimeoutError:
            raise Unavailable(f"The database did not answer within {timeout:g} seconds") from None

    async def close(self) -> None:
        """Write what is queued, then stop."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        last = False
        while not last:
            batch: list[_Waiting] = []
            item = self._queue.get()
            while item is not None:
                batch.append(item)
                if len(batch) == _TOGETHER:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            last = item is None
            if batch:
                self._write(batch)
        self._drop_connection()

    def _write(self, batch: list[_Waiting]) -> None:
        attempt = 0
        while batch := [waiting for waiting in batch if not waiting.done.done()]:
            try:
                if self._connection is None:
                    self._connection = self._engine.connect_writer()
                    log.info("database is back")
                outcomes = self._commit(self._connection, batch)
            except Exception as error:
                if self._connection is not None and not self._engine.is_transient(error):
                    outcomes = [error] * len(batch)
                else:
                    attempt += 1
                    self._lose_connection(error, attempt)
                    continue
            self._loop.call_soon_threadsafe(_resolve, batch, outcomes)
            return

    def _lose_connection(self, error: Exception, attempt: int) -> None:
        if attempt == 1:
            log.warning("database is away, writes wait", error=str(error))
        self._drop_connection()
        pause = _RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS)) - 1]
        threading.Event().wait(pause)

    def _commit(self, connection: sa.Connection, batch: Sequence[_Waiting]) -> Sequence[int | Exception]:
        outcomes: Sequence[int | Exception]
        try:
            self._begin(connection, batch)
            outcomes = run_together(connection, batch, self._inserts, self._chain)
            connection.exec_driver_sql("COMMIT")
        except Exception as error:
            if self._engine.is_transient(error):
                raise
            self._roll_back(connection)
            if isinstance(error, Deposed):
                return self._commit_unfenced(connection, batch, error)
            if len(batch) == 1 and not isinstance(error, UnclearError):
                return [error]
            outcomes = self._commit_one_by_one(connection, batch)
        return outcomes

    def _commit_one_by_one(
        self, connection: sa.Connection, batch: Sequence[_Waiting]
    ) -> Sequence[int | Exception]:
        outcomes: list[int | Exception] = []
        try:
            self._begin(connection, batch)
            for waiting in batch:
                connection.exec_driver_sql("SAVEPOINT one")
                try:
                    outcomes.append(run_alone(connection, waiting, self._chain))
                except Exception as error:
                    if self._engine.is_transient(error):
                        raise
                    connection.exec_driver_sql("ROLLBACK TO SAVEPOINT one")
                    self._chain.forget()
                    outcomes.append(error)
                connection.exec_driver_sql("RELEASE SAVEPOINT one")
            connection.exec_driver_sql("COMMIT")
        except Exception as error:
            if self._engine.is_transient(error):
                raise
            self._roll_back(connection)
            if isinstance(error, Deposed):
                return self._commit_unfenced(connection, batch, error)
            return [error] * len(batch)
        return outcomes

    def _begin(self, connection: sa.Connection, batch: Sequence[_Waiting]) -> None:
        """Open a transaction during which no later term can begin. Raises Deposed when one has begun."""
        if self._chained_at != self.epoch:  # others may have appended between two terms of ours
            self._chain.forget()
            self._chained_at = self.epoch
        self._engine.begin(connection)
        if any(waiting.fenced for waiting in batch):
            epoch = connection.exec_driver_sql(self._engine.read_fence).scalar()
            if epoch is not None and epoch > self.epoch:
                raise Deposed(f"epoch {self.epoch} is over, the database has {epoch}")

    def _commit_unfenced(
        self, connection: sa.Connection, batch: Sequence[_Waiting], deposed: Deposed
    ) -> Sequence[int | Exception]:
        """What anybody may write; the rest is refused."""
        others = [waiting for waiting in batch if not waiting.fenced]
        if others and self._connection is None:
            self._connection = connection = self._engine.connect_writer()
        outcomes = iter(self._commit(connection, others) if others else ())
        return [deposed if waiting.fenced else next(outcomes) for waiting in batch]

    def _roll_back(self, connection: sa.Connection) -> None:
        self._chain.forget()
        try:
            connection.exec_driver_sql("ROLLBACK")
        except sa.exc.DBAPIError:
            self._drop_connection()  # the database ended the transaction itself, or is gone

    def _drop_connection(self) -> None:
        self._chain.forget()
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.close()
            except sa.exc.SQLAlchemyError:
                log.debug("connection was already gone")


def _resolve(batch: Sequence[_Waiting], outcomes: Sequence[int | Exception]) -> None:
    for waiting, outcome in zip(batch, outcomes, strict=True):
        if waiting.done.done():
            continue
        if isinstance(outcome, int):
            waiting.done.set_result(outcome)
        elif isinstance(outcome, Deposed):
            waiting.done.set_exception(Deposed(str(outcome)))
        else:
            refusal = Unavailable(f"The database refused the change: {_reason(outcome)}")
            refusal.__cause__ = outcome
            waiting.done.set_exception(refusal)


def _reason(error: Exception) -> str:
    """The driver's own words, without the statement and its parameters: those may hold secrets."""
    return type(getattr(error, "orig", error)).__name__
