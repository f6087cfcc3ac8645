"""What the event log has still to learn of changes to the book: written to Redis in the same step as the change.

The primary takes entries into the log and then removes them, so that a primary that is killed in between
leaves them to the next one, and the log takes each but once, by its ID. In memory is what Redis has: it alone
writes there, and a Redis that was restarted gets back what it lost.
"""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec
from redis.asyncio import Redis

from conductor.live.connection import text
from conductor.live.keys import Keys
from conductor.signals import EventRow
from shared.protocol.packing import packed

_GATHER_SECONDS = 0.25
"""How long the first entry waits for company: one transaction for many."""

_decode = msgspec.msgpack.Decoder(dict[str, object]).decode


class Outbox:
    """Of one term. Filled by the book's writer, emptied by whoever keeps the log."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.outbox
        self._entries: dict[str, bytes] = {}
        self._any = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    async def load(self) -> None:
        """Read what an earlier primary left, oldest first."""
        stored = await self._redis.hgetall(self._key)
        rows = {text(id): row for id, row in stored.items() if isinstance(row, bytes)}
        occurred = {id: int(str(_decode(row)["occurred"])) for id, row in rows.items()}
        self._entries = {id: rows[id] for id in sorted(rows, key=occurred.__getitem__)}
        if self._entries:
            self._any.set()

    def note(self, entries: Sequence[str | bytes | int]) -> None:
        """Redis has these now: ID, row, ID, row…"""
        for at in range(0, len(entries), 2):
            row = entries[at + 1]
            assert isinstance(row, bytes)  # noqa: S101 - made by `words`
            self._entries[str(entries[at])] = row
        self._any.set()

    def withdraw(self, ids: Sequence[str]) -> None:
        """What they tell of has been undone before it was told."""
        for id in ids:
            self._entries.pop(id, None)

    async def some(self, most: int) -> list[EventRow]:
        """The oldest entries, once there are any."""
        if not self._entries:
            self._any.clear()
            await self._any.wait()
        await asyncio.sleep(_GATHER_SECONDS)
        return [_decode(row) for row in islice(self._entries.values(), most)]

    def everything(self) -> Mapping[str, bytes]:
        """For a Redis that was restarted."""
        return self._entries


def words(rows: Sequence[EventRow]) -> list[str | bytes | int]:
    """As the script takes them: ID, row, ID, row…"""
    return [word for row in rows for word in (str(row["id"]), packed(row))]
