"""What every searchable collection does, the archive of jobs too: one suite, run on both databases."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from conductor.records import tables
from conductor.records.job_archive import JobArchive
from conductor.records.search.index import ACTIVITY, ALERTS, SERVERS, SNAPSHOTS, TICKETS
from conductor.records.search.tree import SearchError
from conductor.records.searchable import SearchableDocuments
from conductor.records.store import Records, Write, insert_new

Store = Any
ADD_STATE = insert_new(tables.state)


class Archive:
    """The archive of jobs with the signatures of the others."""

    def __init__(self, records: Records) -> None:
        self._archive = JobArchive(records)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._archive, name)

    async def add(self, id: str, doc: dict[str, Any], *also: Write) -> bool:
        return await self._archive.add(doc, *also)

    async def replace(self, id: str, doc: dict[str, Any]) -> bool:
        return await self._archive.replace(doc)

    async def get_many(self, ids: list[str]) -> dict[str, Any]:
        return await self._archive.get_many(ids, verbose=True)


STORES: dict[str, tuple[Callable[[Records], Store], str]] = {
    "jobs": (Archive, "completed"),
    "alerts": (lambda records: SearchableDocuments(records, ALERTS, tables.alerts), "modified"),
    "snapshots": (lambda records: SearchableDocuments(records, SNAPSHOTS, tables.snapshots), "date"),
    "servers": (lambda records: SearchableDocuments(records, SERVERS, tables.servers), "hostname"),
    "activity": (lambda records: SearchableDocuments(records, ACTIVITY, tables.activity), ""),
    "tickets": (lambda records: SearchableDocuments(records, TICKETS, tables.tickets), "num"),
}
WORD_FIELD = {"activity": "action", "servers": "groups", "tickets": "status", "jobs": "code"}


@pytest.fixture(params=list(STORES))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def store(records: Records, kind: str) -> Store:
    return STORES[kind][0](records)


def doc(kind: str, number: int, word: str = "one") -> dict[str, Any]:
    """A document whose sorter counts down while its ID counts up."""
    field = WORD_FIELD.get(kind, "server")
    sorter = STORES[kind][1]
    down: Any = f"h{99 - number}" if sorter == "hostname" else 99 - number
    made = {"id": f"x{number:02d}", field: word, "num": 99 - number}
    return made | ({sorter: down} if sorter else {})


async def words(records: Records) -> int:
    count = sa.select(sa.func.count()).select_from(tables.terms)
    return await records.read(lambda connection: int(connection.execute(count).scalar_one()))


async def found(store: Store, kind: str, word: str) -> list[str]:
    page = await store.search(f"{WORD_FIELD.get(kind, 'server')}:{word}", limit=100, sort_dir=1)
    assert page.total == len(page.rows)
    return [msgspec.json.decode(row)["id"] for row in page.rows]


async def test_a_record_comes_back_as_it_was_and_is_added_once(store: Store, kind: str) -> None:
    first = doc(kind, 1)
    assert await store.add("x01", first)
    assert not await store.add("x01", doc(kind, 1, "two"))
    assert await store.get("x01") == first
    assert await store.get("x02") is None
    assert await found(store, kind, "one") == ["x01"]
    assert await found(store, kind, "two") == []


async def test_what_goes_with_a_record_is_written_once(store: Store, kind: str, records: Records) -> None:
    def also(key: str) -> Write:
        return Write(ADD_STATE, {"key": key, "doc": b"{}"})

    assert await store.add("x01", doc(kind, 1), also("first"))
    assert not await store.add("x01", doc(kind, 1), also("second"))
    stored = await records.read(lambda connection: connection.execute(sa.select(tables.state.c.key)).all())
    assert [row.key for row in stored] == ["first"]


async def test_a_replaced_record_is_found_by_its_new_words_alone(
    store: Store, kind: str, records: Records
) -> None:
    await store.add("x01", doc(kind, 1))
    before = await words(records)
    assert await store.replace("x01", doc(kind, 1, "two"))
    assert await found(store, kind, "one") == []
    assert await found(store, kind, "two") == ["x01"]
    assert await words(records) == before
    assert not await store.replace("x09", doc(kind, 9))


async def test_replacements_at_once_leave_the_words_of_the_one_that_stayed(
    store: Store, kind: str, records: Records
) -> None:
    await store.add("x01", doc(kind, 1))
    before = await words(records)
    await asyncio.gather(*(store.replace("x01", doc(kind, 1, f"w{n}")) for n in range(6)))
    stayed = (await store.get("x01"))[WORD_FIELD.get(kind, "server")]
    assert [n for n in range(6) if await found(store, kind, f"w{n}")] == [int(stayed[1:])]
    assert await words(records) == before


async def test_a_deleted_record_leaves_nothing(store: Store, kind: str, records: Records) -> None:
    await store.add("x01", doc(kind, 1))
    assert await store.delete("x01")
    assert not await store.delete("x01")
    assert await store.get("x01") is None
    assert await words(records) == 0
    assert await found(store, kind, "one") == []


async def test_many_are_fetched_by_id(store: Store, kind: str) -> None:
    await asyncio.gather(*(store.add(f"x{n:02d}", doc(kind, n)) for n in range(12)))
    assert await store.get_many(["x03", "none", "x03"]) == {"x03": doc(kind, 3)}
    assert len(await store.get_many([f"x{n:02d}" for n in range(700)])) == 12
    assert await store.get_many([]) == {}


async def test_pages_in_order_of_the_id_and_of_the_sorter(store: Store, kind: str) -> None:
    await asyncio.gather(*(store.add(f"x{n:02d}", doc(kind, n)) for n in range(12)))
    for sort_by, sort_dir, first in (("_id", 1, "x05"), ("_id", -1, "x06"), (STORES[kind][1], 1, "x06")):
        if not sort_by:
            continue
        page = await store.search("*", offset=5, limit=3, sort_by=sort_by, sort_dir=sort_dir)
        assert (msgspec.json.decode(page.rows[0])["id"], len(page.rows), page.total) == (first, 3, 12)
    with pytest.raises(SearchError, match="Cannot find sorter: doc"):
        await store.search("*", sort_by="doc")


async def test_a_record_that_lacks_everything_or_has_it_of_another_type_is_stored(
    store: Store, kind: str
) -> None:
    odd = {"id": "x01", "num": "many", "modified": [], "date": {}, "hostname": 5, "epoch": None, "ip": {}}
    assert await store.add("x01", odd)
    assert await store.get("x01") == odd
