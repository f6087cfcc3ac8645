"""The cluster's mutable state: one small document for each path such as `scheduler` or `events/<id>`.

Contract structures/state.yaml. Each path is a row of its own, so that a counter of one event never rewrites
everything.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.definitions.json_values import Json, copied
from conductor.definitions.unbroken import unbroken
from conductor.errors import BadParameter
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import state as table
from conductor.signals import EventRow

_PUT = upsert(table)
_DELETE = sa.delete(table).where(table.c.key == sa.bindparam("gone"))
_LONGEST_KEY = 160
_EMPTY: Json = {}


class GlobalState:
    """State in memory, written through to SQL before it counts."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._docs: dict[str, Json] = {}
        self._ahead: dict[str, tuple[Json, int]] = {}
        """Documents with staged changes that are not applied yet, and how many of those there are."""

    async def load(self) -> None:
        """Everything from SQL; again at each take-over."""
        rows = await self._records.read(_rows)
        self._docs = {key: msgspec.json.decode(doc) for key, doc in rows}
        self._ahead = {}

    def get(self, key: str) -> Json:
        """The document at `key`, empty where there is none. Callers never modify it."""
        return self._docs.get(key, _EMPTY)

    def latest(self, key: str) -> Json:
        """As `get`, with what is staged but not yet committed: what counters must go on from."""
        return self._ahead[key][0] if key in self._ahead else self.get(key)

    def under(self, prefix: str) -> dict[str, Json]:
        """The documents whose path begins with `prefix/`, by the rest of their paths."""
        start = f"{prefix}/"
        return {key[len(start) :]: doc for key, doc in self._docs.items() if key.startswith(start)}

    def tree(self) -> Json:
        """Everything as one object: each path's document below the words of the path. The caller's own."""
        whole: Json = {}
        for key, doc in self._docs.items():
            *words, last = key.split("/")
            place = whole
            for word in words:
                if not isinstance(place.get(word), dict):
                    place[word] = {}
                place = place[word]
            before = place.get(last)
            place[last] = {**(before if isinstance(before, dict) else {}), **copied(doc)}
        return whole

    def documents(self) -> Mapping[str, Json]:
        """Every document by its path. Callers modify nothing."""
        return self._docs

    async def merge(self, key: str, changes: Mapping[str, Any], *, events: Sequence[EventRow] = ()) -> None:
        """Set `changes` at `key`; committed on return, with `events`. Raises Unavailable."""
        await unbroken(self._merge(key, changes, events))

    async def merge_many(
        self, changes: Mapping[str, Mapping[str, Any]], *, events: Sequence[EventRow] = ()
    ) -> None:
        """As `merge`, of several paths in one transaction. Raises Unavailable; nothing is changed then."""
        await unbroken(self._merge_many(changes, events))

    async def _merge_many(self, changes: Mapping[str, Mapping[str, Any]], events: Sequence[EventRow]) -> None:
        writes = [self.staged(key, some) for key, some in changes.items()]
        try:
            await self._records.write(*writes, events=events)
        except BaseException:
            for key in changes:
                self.withdraw(key)
            raise
        for key, some in changes.items():
            self.apply(key, some)

    async def revise(self, key: str, changes: Callable[[Json], Mapping[str, Any]]) -> None:
        """As `merge`, with changes that go on from what is there: `latest` at the moment they are staged."""
        await unbroken(self._revise(key, changes))

    async def _revise(self, key: str, changes: Callable[[Json], Mapping[str, Any]]) -> None:
        await self._merge(key, changes(self.latest(key)))

    async def _merge(self, key: str, changes: Mapping[str, Any], events: Sequence[EventRow] = ()) -> None:
        write = self.staged(key, changes)
        try:
            await self._records.write(write, events=events)
        except BaseException:
            self.withdraw(key)
            raise
        self.apply(key, changes)

    async def discard(self, key: str, *names: str, events: Sequence[EventRow] = ()) -> None:
        """Remove `names` from the document at `key`; committed on return, with `events`. Raises Unavailable."""
        await unbroken(self._discard(key, names, events))

    async def _discard(self, key: str, names: Sequence[str], events: Sequence[EventRow]) -> None:
        doc = {name: value for name, value in self.latest(key).items() if name not in names}
        self._ahead[key] = (doc, self._ahead[key][1] + 1 if key in self._ahead else 1)
        try:
            await self._records.write(
                Write(_PUT, {"key": key, "doc": msgspec.json.encode(doc)}), events=events
            )
        except BaseException:
            self.withdraw(key)
            raise
        self._docs[key] = {name: value for name, value in self.get(key).items() if name not in names}
        self.withdraw(key)

    async def delete(self, key: str) -> None:
        """Remove what is at `key`; committed on return. Raises Unavailable."""
        await unbroken(self._delete(key))

    async def _delete(self, key: str) -> None:
        await self._records.write(self.deletion(key))
        self.forget(key)

    async def delete_many(self, keys: Sequence[str]) -> None:
        """As `delete`, of several paths in one transaction. Raises Unavailable; nothing is removed then."""
        if keys:
            await unbroken(self._delete_many(keys))

    async def _delete_many(self, keys: Sequence[str]) -> None:
        await self._records.write(*(self.deletion(key) for key in keys))
        for key in keys:
            self.forget(key)

    def staged(self, key: str, changes: Mapping[str, Any]) -> Write:
        """A write of `changes` for somebody else's transaction, then `apply` or `withdraw` with it.

        Hand it to the records without awaiting anything in between: rows are written in the order in which
        they are handed over, and a later one contains the earlier ones' changes.
        """
        if len(key) > _LONGEST_KEY:
            raise BadParameter(f"State path is longer than {_LONGEST_KEY} characters")
        doc = {**self.latest(key), **changes}
        try:
            encoded = msgspec.json.encode(doc)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise BadParameter(f"State of {key} cannot be stored: {error}") from None
        self._ahead[key] = (doc, self._ahead[key][1] + 1 if key in self._ahead else 1)
        return Write(_PUT, {"key": key, "doc": encoded})

    def apply(self, key: str, changes: Mapping[str, Any]) -> None:
        """A staged change is committed."""
        self._docs[key] = {**self.get(key), **changes}
        self.withdraw(key)

    def withdraw(self, key: str) -> None:
        """A staged change is over, committed or not."""
        doc, count = self._ahead.get(key, (_EMPTY, 1))
        if count > 1:
            self._ahead[key] = (doc, count - 1)
        else:
            self._ahead.pop(key, None)

    @staticmethod
    def deletion(key: str) -> Write:
        """The removal of `key` for somebody else's transaction; `forget` it afterwards."""
        return Write(_DELETE, {"gone": key})

    def forget(self, key: str) -> None:
        self._docs.pop(key, None)
        self._ahead.pop(key, None)


def _rows(connection: sa.Connection) -> list[tuple[str, bytes]]:
    return [(row.key, row.doc) for row in connection.execute(sa.select(table.c.key, table.c.doc))]
