"""What the event log has still to learn of changes to the book: written to Redis in the same step as the change.

The primary takes entries into the log and then removes them, so that a primary that is killed in between
leaves them to the next one, and the log takes each but once, by its ID. In memory is what Redis has: it alone
writes there, and a Redis that was restarted gets back what it lost.
"""

from collections.abc import Mapping, Sequence
from itertools import islice

import msgspec
import structlog
from redis.asyncio import Redis

from conductor.live.connection import text
from conductor.live.keys import Keys
from conductor.signals import EventRow
from shared.protocol.packing import packed

log = structlog.get_logger(__name__)
_decode = msgspec.msgpack.Decoder(EventRow).decode


class Outbox:
    """Of one term. Filled by the book's writer, emptied by whoever keeps the log."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.outbox
        self._entries: dict[str, bytes] = {}

    def __len__(self) -> int:
        return len(self._entries)

    async def load(self) -> None:
        """Read what an earlier primary left, oldest first."""
        stored = await self._redis.hgetall(self._key)
        found: list[tuple[int, str, bytes]] = []
        for id, value in stored.items():
            row = value.encode() if isinstance(value, str) else value
            try:
                found.append((_decode(row).occurred, text(id), row))
            except msgspec.MsgspecError as error:  # it must not keep the cluster from having a primary
                log.error("an event of the book cannot be read, it is left out", id=id, error=repr(error))
        self._entries = {id: row for _, id, row in sorted(found)}

    def note(self, entries: Sequence[str | bytes | int]) -> None:
        """Redis has these now: ID, row, ID, row…"""
        for at in range(0, len(entries), 2):
            row = entries[at + 1]
            assert isinstance(row, bytes)  # noqa: S101 - made by `words`
            self._entries[str(entries[at])] = row

    def withdraw(self, ids: Sequence[str]) -> None:
        """The log has them."""
        for id in ids:
            self._entries.pop(id, None)

    def some(self, most: int) -> list[EventRow]:
        """The oldest entries."""
        return [_decode(row) for row in islice(self._entries.values(), most)]

    def everything(self) -> Mapping[str, bytes]:
        """For a Redis that was restarted."""
        return self._entries


def words(rows: Sequence[EventRow]) -> list[str | bytes | int]:
    """As the script takes them: ID, row, ID, row…"""
    return [word for row in rows for word in (row.id, packed(row))]
