"""Writes to the job book, gathered into batches: while one script call is under way, the next ones wait.

Every batch carries the epoch. Operations can be repeated without harm, so a batch whose answer was lost
is sent again until Redis answers or the lease ends. After Redis was restarted the book as we know it is
written first, since its last moment may not have reached the append-only file.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from conductor.errors import Deposed, Unavailable
from conductor.live.connection import AWAY, script, text
from conductor.live.keys import Keys

Operation = tuple[str | bytes | int, ...]
"""The name of an operation of `write_book.lua` and its arguments."""

_BATCH = 200
"""Operations in one script call; bounds how long Redis is busy with it."""
_QUEUE = 20_000
_RETRY_SECONDS = 0.05
_IDLE_SECONDS = 1.0

log = structlog.get_logger(__name__)


class BookWriter:
    """The only one who writes to the book. `run` must be running while callers wait in `write`."""

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        epoch: int,
        *,
        holds_lease: Callable[[], bool],
        everything: Callable[[], Sequence[Operation]],
        told: Callable[[Sequence[str | bytes | int]], None] = lambda entries: None,
    ) -> None:
        """`everything` answers one `restore` for each active job, for a Redis that was restarted.

        `told` hears what Redis has been given for the event log, with the operations that took effect.
        """
        # A connection of its own, not of the pool: a pool replaces a broken one without a word, and a
        # restart of Redis must not go unnoticed.
        self._redis = redis.client()
        self._keys = keys
        self._epoch = epoch
        self._holds_lease = holds_lease
        self._everything = everything
        self._told = told
        self._waiting: deque[tuple[Operation, asyncio.Future[Any]]] = deque()
        self._wake = asyncio.Event()
        self._script = self._redis.register_script(script("write_book"))
        self._run_id = ""
        self._ended = False

    async def write(
        self, operation: Operation, timeout: float | None = 10.0, *, undo: Operation | None = None
    ) -> Any:
        """Apply one operation and answer what the script answers for it.

        Without a `timeout` it waits as long as the lease lasts. Raises Deposed when another conductor is
        primary, Unavailable when Redis did not answer in time: then the operation may still take effect if
        it was already under way. `undo` is applied after it when its caller has given up, by that or by
        being cancelled.
        """
        if self._ended:
            raise Deposed("this conductor is no longer primary")
        if len(self._waiting) >= _QUEUE:
            raise Unavailable("Too many writes to Redis are waiting.")
        done = self._put(operation)
        try:
            async with asyncio.timeout(timeout):
                return await done
        except (TimeoutError, asyncio.CancelledError) as error:
            if undo is not None:
                self._put(undo).add_done_callback(_taken_note_of)
            if isinstance(error, TimeoutError):
                raise Unavailable("Redis did not answer in time.") from None
            raise

    def _put(self, operation: Operation) -> "asyncio.Future[Any]":
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((operation, done))
        self._wake.set()
        return done

    async def run(self) -> None:
        """Write batches until cancelled, or raise Deposed."""
        try:
            try:
                self._run_id = await self._current_run()
            except AWAY as error:  # what was read of it may be gone: the next term reads anew
                raise Deposed("redis went away as the term began") from error
            while True:
                await self._woken()
                await self._apply(self._next_batch())
        finally:
            self._ended = True
            _fail(list(self._waiting), Deposed("this conductor is no longer primary"))
            self._waiting.clear()
            await self._redis.aclose()

    async def _woken(self) -> None:
        """Return when something waits, or after a second, so that an idle writer notices a restart too."""
        if not self._waiting:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_IDLE_SECONDS):
                    await self._wake.wait()

    def _next_batch(self) -> list[tuple[Operation, asyncio.Future[Any]]]:
        batch: list[tuple[Operation, asyncio.Future[Any]]] = []
        while self._waiting and len(batch) < _BATCH:
            operation, done = self._waiting.popleft()
            if not done.done():  # its caller has given up
                batch.append((operation, done))
        return batch

    async def _apply(self, batch: list[tuple[Operation, asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._send([operation for operation, _ in batch])
        except Unavailable as error:
            _fail(batch, error)
            return
        except Deposed as error:
            _fail(batch, error)
            raise
        except asyncio.CancelledError:
            _fail(batch, Deposed("this conductor is no longer primary"))
            raise
        except Exception:
            log.exception("a batch could not be written")
            _fail(batch, Unavailable("Redis could not take the write."))
            return
        for (operation, done), answer in zip(batch, answers, strict=True):
            if operation[0] == "told":
                self._told(operation[2 : 2 + int(operation[1])])
            if not done.done():
                done.set_result(answer)

    async def _send(self, operations: list[Operation]) -> list[Any]:
        interrupted = False
        while self._holds_lease():
            try:
                if interrupted:
                    await self._rewrite_if_restarted()
                return await self._call(operations)
            except AWAY as error:
                if not interrupted:
                    log.warning("redis is away, writes wait", error=str(error))
                interrupted = True
                await asyncio.sleep(_RETRY_SECONDS)
        raise Deposed("the lease has ended")

    async def _rewrite_if_restarted(self) -> None:
        run = await self._current_run()
        if run == self._run_id:
            return
        operations = list(self._everything())
        ours = {operation[1] for operation in operations if operation[0] == "restore"}
        theirs = {text(job_id) for job_id in await self._redis.smembers(self._keys.jobs)}
        operations += [("settle", job_id) for job_id in theirs - ours]
        for start in range(0, len(operations), _BATCH):
            await self._call(operations[start : start + _BATCH])
        log.info("redis was restarted, the book is written anew", operations=len(operations))
        self._run_id = run

    async def _call(self, operations: list[Operation]) -> list[Any]:
        try:
            answers: list[Any] = await self._script(
                keys=[
                    self._keys.epoch,
                    self._keys.jobs,
                    self._keys.fired,
                    self._keys.cursors,
                    self._keys.outbox,
                ],
                args=[
                    self._epoch,
                    self._keys.job,
                    self._keys.idempotency,
                    *(word for operation in operations for word in (len(operation), *operation)),
                ],
            )
        except ResponseError as error:
            if str(error).startswith("DEPOSED"):
                raise Deposed(str(error)) from None
            log.error("redis refused a write", error=str(error))
            raise Unavailable("Redis refused the write.") from None
        return answers

    async def _current_run(self) -> str:
        return str((await self._redis.info("server"))["run_id"])


def _fail(batch: list[tuple[Operation, "asyncio.Future[Any]"]], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)


def _taken_note_of(done: "asyncio.Future[Any]") -> None:
    if not done.cancelled():
        done.exception()  # nobody awaits it: what became of it was told to the others of its batch
