"""Definitions as the original stores lists: a header and pages (contract api/admin.yaml, list_storage).

An import gathers what comes of each list and stores it in one transaction when the list is complete, so that
nobody ever sees half of one.
"""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from conductor.administration.backup.lines import BadLine, Command, Line, Put
from conductor.definitions.repository import Definitions
from conductor.definitions.text import check_id
from conductor.errors import Refusal
from conductor.records.store import Records, Write, upsert
from conductor.records.tables import definitions as table

Json = dict[str, Any]

NAMES = (
    "alerts",
    "api_keys",
    "buckets",
    "categories",
    "channels",
    "events",
    "groups",
    "maintenance_windows",
    "monitors",
    "plugins",
    "secrets",
    "tags",
    "users",
    "roles",
    "web_hooks",
)

_PAGE = 100
_KEY = re.compile(r"global/(\w+)(?:/(-?\d+))?")
_PUT = upsert(table)
_CLEAR = sa.delete(table).where(table.c.kind == sa.bindparam("gone_kind"))
_KEPT = sa.select(table.c.id, table.c.position).where(table.c.kind == sa.bindparam("wanted"))


def list_of(key: str) -> str | None:
    """The list that a key belongs to; None for another key."""
    match = _KEY.fullmatch(key)
    return match[1] if match and match[1] != "state" else None


def lines(name: str, items: Sequence[Any]) -> list[Line]:
    """A whole list: emptied, its header, its pages."""
    key = f"global/{name}"
    pages = [items[start : start + _PAGE] for start in range(0, len(items), _PAGE)] or [[]]
    made: list[Line] = [
        Command("listDelete", (key, False)),
        Put(
            key,
            {
                "page_size": _PAGE,
                "first_page": 0,
                "last_page": len(pages) - 1,
                "length": len(items),
                "type": "list",
            },
        ),
    ]
    made += [
        Put(f"{key}/{number}", {"type": "list_page", "items": list(page)})
        for number, page in enumerate(pages)
    ]
    return made


class Lists:
    """The lists of one import."""

    def __init__(self, definitions: Definitions, records: Records) -> None:
        self._definitions = definitions
        self._records = records
        self._pages: dict[str, dict[int, list[Any]]] = {}
        self._emptied: set[str] = set()
        self.stored = 0

    def put(self, name: str, page: str | None, value: Any) -> None:
        """A header, or a page. Raises BadLine."""
        self._check(name)
        if not isinstance(value, dict):
            raise BadLine("a list's page is an object")
        if page is None:
            self._pages.setdefault(name, {})
            return
        items = value.get("items")
        if not isinstance(items, list):
            raise BadLine("a list's page needs items")
        self._pages.setdefault(name, {})[int(page)] = items

    def empty(self, name: str) -> None:
        self._check(name)
        self._emptied.add(name)
        self._pages[name] = {}

    def append(self, name: str, items: Sequence[Any], *, first: bool = False) -> None:
        self._check(name)
        pages = self._pages.setdefault(name, {})
        pages[min(pages, default=0) - 1 if first else max(pages, default=-1) + 1] = list(items)

    def pending(self, but: str = "") -> list[str]:
        """Lists that are gathered and not stored yet."""
        return [name for name in self._pages if name != but]

    async def store(self, name: str) -> list[str]:
        """Store what was gathered of a list; returns what is wrong with items that were left out."""
        pages, emptied = self._pages.pop(name, {}), name in self._emptied
        self._emptied.discard(name)
        if name in ("users", "stats"):  # users have keys of their own; statistics are taken by `taken`
            return []
        items = [item for number in sorted(pages) for item in pages[number]]
        wrong: list[str] = []
        kept = await self._records.read(
            lambda connection: {row.id: row.position for row in connection.execute(_KEPT, {"wanted": name})}
        )
        writes = [Write(_CLEAR, {"gone_kind": name})] if emptied else []
        place = 0 if emptied else max(kept.values(), default=-1) + 1
        rows = []
        for item in items:
            try:
                row = self._row(name, item)
            except (BadLine, Refusal, TypeError, ValueError) as error:
                shown = str(item.get("id") if isinstance(item, dict) else item)[:80]
                wrong.append(f"an item of {name} was left out ({shown}): {error}")
                continue
            known = not emptied and row["id"] in kept
            rows.append({**row, "position": kept[row["id"]] if known else place})
            place += not known
        if self._newest_first(name):
            ordered = sorted((row["position"] for row in rows), reverse=True)
            rows = [{**row, "position": position} for row, position in zip(rows, ordered, strict=True)]
        if rows:
            writes.append(Write(_PUT, rows))
        if writes:
            await self._records.write(*writes, timeout=60.0)
        self.stored += len(rows)
        return wrong

    def taken(self, name: str) -> list[Any]:
        """What was gathered of a list, for somebody else to store."""
        pages = self._pages.pop(name, {})
        self._emptied.discard(name)
        return [item for number in sorted(pages) for item in pages[number]]

    def _newest_first(self, name: str) -> bool:
        kind = self._definitions.kinds.get(name)
        return kind is not None and kind.newest_first

    def _check(self, name: str) -> None:
        if name not in (*NAMES, "stats"):
            raise BadLine(f"there is no list {name[:40]}")

    @staticmethod
    def _row(name: str, item: Any) -> Json:
        if not isinstance(item, dict):
            raise BadLine("it is no object")
        check_id(item.get("id"))
        try:
            return {"kind": name, "id": item["id"], "doc": msgspec.json.encode(item)}
        except RecursionError:
            raise BadLine("it is nested too deeply") from None


async def items_of(definitions: Definitions, records: Records, name: str) -> AsyncIterator[Json]:
    """A list's items in storage order; also of kinds that this version does not know."""
    if name in definitions.kinds:
        for item in definitions.all(name):
            yield item
        return
    query = sa.select(table.c.doc).where(table.c.kind == name).order_by(table.c.position)
    for document in await records.read(lambda connection: list(connection.execute(query).scalars())):
        yield msgspec.json.decode(document)
