"""Taking an import back: what it replaces is written down, in the database, before it is replaced.

What is written down are lines of an export that put everything back, and commands that take away what was not there
before. They are gone when the import is complete; whoever finds some, after a death or in another conductor, finds
an import that was not.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import sqlalchemy as sa
import structlog

from conductor.administration.backup.kept import Sections
from conductor.administration.backup.lines import LONGEST, Command, Line, Put, Record, encoded, parse
from conductor.administration.backup.lists import Lists, items_of, list_of
from conductor.administration.backup.lists import lines as list_lines
from conductor.administration.collections import Collections
from conductor.administration.statistics import Statistics
from conductor.definitions.repository import Definitions
from conductor.records.store import Records, Write, insert_new
from conductor.records.tables import import_undo as table

Json = dict[str, Any]

FORGET_KEY = "forgetKey"
FORGET_RECORD = "forgetRecord"

_STATS = "stats"
_MOST_DAYS = 1_000_000
_PAGE = 100
_ADD = insert_new(table)
_CLEAR = sa.delete(table)
_LAST = sa.select(sa.func.max(table.c.number))
_NEXT = (
    sa.select(table.c.number, table.c.doc)
    .where(table.c.number > sa.bindparam("after"))
    .order_by(table.c.number)
    .limit(_PAGE)
)

log = structlog.get_logger(__name__)


class Journal:
    """The lines that take an import back, in order. One import at a time writes them."""

    def __init__(self, records: Records) -> None:
        self._records = records

    async def add(self, lines: Sequence[Line]) -> None:
        """Kept on return, before what they undo is done. Raises Unavailable."""
        last = await self._records.read(lambda sql: sql.execute(_LAST).scalar()) or 0
        rows = [{"number": last + n, "doc": encoded(line)} for n, line in enumerate(lines, 1)]
        await self._records.write(Write(_ADD, rows), timeout=60.0)

    async def any(self) -> bool:
        """Whether an import was begun and not completed."""
        return await self._records.read(lambda sql: sql.execute(_LAST).scalar()) is not None

    async def lines(self) -> AsyncIterator[Line]:
        after = 0
        while True:
            rows = await self._records.read(lambda sql: sql.execute(_NEXT, {"after": after}).all())  # noqa: B023
            for row in rows:
                after = row.number
                line = parse(row.doc)
                if line is not None:
                    yield line
            if len(rows) < _PAGE:
                return

    async def clear(self) -> None:
        """The import is complete, or taken back."""
        await self._records.write(Write(_CLEAR))


class Undo:
    """Writes down what one import is about to replace, each thing once: as it was before the first time."""

    def __init__(
        self,
        journal: Journal,
        sections: Sections,
        definitions: Definitions,
        records: Records,
        collections: Collections,
        statistics: Statistics,
    ) -> None:
        self._journal = journal
        self._sections = sections
        self._definitions = definitions
        self._records = records
        self._collections = collections
        self._statistics = statistics
        self._seen: set[tuple[str, str]] = set()

    async def keep_key(self, key: str) -> None:
        if not self._first("key", key):
            return
        value = await self._sections.value(key)
        line: Line = Command(FORGET_KEY, (key,)) if value is None else Put(key, value)
        if len(encoded(line)) > LONGEST:
            log.warning("what an import replaces is too large to be put back if it fails", key=key)
            return
        await self._journal.add([line])

    async def keep_list(self, name: str) -> None:
        if not self._first("list", name):
            return
        if name == _STATS:
            days = (await self._statistics.history(0, _MOST_DAYS))[0]
            items: list[Any] = [
                {**day, "currentDay": {**(day.get("currentDay") or {}), "timeStart": start}}
                for start, day in days
            ]
        else:
            items = [item async for item in items_of(self._definitions, self._records, name)]
        await self._journal.add(list_lines(name, items))

    async def keep_records(self, index: str, ids: Sequence[str]) -> None:
        fresh = [id for id in ids if self._first(index, id)]
        if not fresh:
            return
        known = await self._collections.get_many(index, fresh)
        await self._journal.add(
            [
                Record(index, id, known[id]) if id in known else Command(FORGET_RECORD, (index, id))
                for id in fresh
            ]
        )

    def _first(self, kind: str, name: str) -> bool:
        if (kind, name) in self._seen:
            return False
        self._seen.add((kind, name))
        return True


class TakingBack:
    """Puts everything back that an import has written down. May be broken off anywhere, and run again."""

    def __init__(
        self,
        journal: Journal,
        sections: Sections,
        definitions: Definitions,
        records: Records,
        collections: Collections,
        statistics: Statistics,
    ) -> None:
        self._journal = journal
        self._sections = sections
        self._definitions = definitions
        self._records = records
        self._collections = collections
        self._statistics = statistics

    async def run(self) -> int:
        """How many lines there were. Raises Unavailable: then they are still there."""
        count = 0
        lists = Lists(self._definitions, self._records)
        async for line in self._journal.lines():
            count += 1
            match line:
                case Put(key, value) if (name := list_of(key)) is not None:
                    lists.put(name, key.split("/")[2] if key.count("/") == 2 else None, value)
                case Command("listDelete", (str(key), *_)) if (name := list_of(key)) is not None:
                    await self._store(lists, but=name)
                    lists.empty(name)
                case Put(key, value):
                    await self._sections.restore(key, value)
                case Record(index, id, record):
                    await self._collections.put(index, id, record)
                case Command(name, (str(key),)) if name == FORGET_KEY:
                    await self._sections.forget(key)
                case Command(name, (str(index), str(id))) if name == FORGET_RECORD:
                    await self._collections.forget_record(index, id)
        await self._store(lists)
        await self._journal.clear()
        return count

    async def _store(self, lists: Lists, but: str = "") -> None:
        for name in lists.pending(but):
            if name == _STATS:
                await self._statistics.replace_history(days_of(lists.taken(name)))
            else:
                await lists.store(name)


def days_of(items: Sequence[Any]) -> list[tuple[int, Json]]:
    """Days of the statistics by their start, those that have one."""
    days = []
    for item in items:
        day = item.get("currentDay") if isinstance(item, dict) else None
        start = day.get("timeStart") if isinstance(day, dict) else None
        if isinstance(start, int | float):
            days.append((int(start), item))
    return days
