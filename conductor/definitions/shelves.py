"""The shelves of all kinds: what SQL has, in memory."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
import structlog

from conductor.definitions import rows
from conductor.definitions.json_values import Json
from conductor.definitions.kinds import Kind
from conductor.definitions.shelf import Shelf
from conductor.records.store import Records

log = structlog.get_logger(__name__)


class Shelves:
    """One for each kind, by its plural name."""

    def __init__(self, records: Records, kinds: Mapping[str, Kind]) -> None:
        self._records = records
        self._shelves = {name: Shelf(newest_first=kind.newest_first) for name, kind in kinds.items()}

    def __getitem__(self, kind: str) -> Shelf:
        return self._shelves[kind]

    def __iter__(self) -> Iterator[str]:
        return iter(self._shelves)

    async def load(self) -> None:
        """Everything from SQL. Raises Unavailable."""
        found: dict[str, list[tuple[str, int, Json]]] = {name: [] for name in self}
        for kind, id, position, doc in await self._records.read(rows.every_row):
            if kind in found:
                found[kind].append((id, position, msgspec.json.decode(doc)))
        for name, listed in found.items():
            self[name].fill(listed)

    def doubt(self, kinds: Iterable[str]) -> None:
        """A write of these failed without word whether it happened."""
        for name in kinds:
            self[name].doubtful = True

    async def settle(self, kind: str) -> bool:
        """After such a write: what SQL says counts, not what memory remembers. Whether it was read again."""
        if not self[kind].doubtful:
            return False
        listed = await self._records.read(lambda connection: rows.rows_of(connection, kind))
        self[kind].fill((id, position, msgspec.json.decode(doc)) for _, id, position, doc in listed)
        log.info("definitions were read again after a failed write", kind=kind)
        return True
