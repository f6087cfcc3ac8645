"""The definitions of one kind in memory."""

import asyncio
from collections.abc import Iterable, Sequence

from conductor.definitions.json_values import Json


class Shelf:
    """Documents by ID, in storage order. Documents are replaced, never changed: readers may keep them."""

    def __init__(self, *, newest_first: bool) -> None:
        self.lock = asyncio.Lock()
        """Held over every change, so that no writer works from a document that another one is replacing."""
        self.version = 0
        self.doubtful = False
        """A write failed without word whether it happened: read again before the next change."""
        self._newest_first = newest_first
        self._docs: dict[str, Json] = {}
        self._positions: dict[str, int] = {}
        self._last = 0
        self._listed: Sequence[Json] | None = ()

    def fill(self, rows: Iterable[tuple[str, int, Json]]) -> None:
        """Replace everything by (ID, position, document) in order of positions."""
        self._docs, self._positions = {}, {}
        for id, position, doc in rows:
            self._docs[id] = doc
            self._positions[id] = position
        self._last = max(self._positions.values(), default=0)
        self.doubtful = False
        self._changed()

    def get(self, id: str) -> Json | None:
        return self._docs.get(id)

    def all(self) -> Sequence[Json]:
        if self._listed is None:
            docs = self._docs.values()
            self._listed = tuple(reversed(docs)) if self._newest_first else tuple(docs)
        return self._listed

    def position(self, id: str) -> int:
        """Where an item stands; a new one comes after all others."""
        return self._positions.get(id, self._last + 1)

    def put(self, docs: Iterable[Json]) -> None:
        for doc in docs:
            id = doc["id"]
            position = self._positions.setdefault(id, self._last + 1)
            self._last = max(self._last, position)
            self._docs[id] = doc
        self._changed()

    def remove(self, id: str) -> None:
        del self._docs[id], self._positions[id]
        self._changed()

    def _changed(self) -> None:
        self._listed = None
        self.version += 1
