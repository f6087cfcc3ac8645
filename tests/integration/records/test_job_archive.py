"""Finished jobs: stored once, read back whole, replaced, deleted."""

import asyncio
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa

from conductor.records import tables
from conductor.records.job_archive import HEAVY, JobArchive
from conductor.records.search.tree import SearchError
from conductor.records.store import Records, Write, insert_new

ADD_STATE = insert_new(tables.state)


def job(id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": id,
        "event": "nightly",
        "category": "general",
        "code": 0,
        "tags": ["_success", "_last"],
        "completed": 1_767_225_600.5,
        "elapsed": 2.25,
        "output": "naïve\n",
        "activity": [{"msg": "started"}],
        "timelines": {"minute": []},
        **changes,
    }


def state(key: str) -> Write:
    return Write(ADD_STATE, {"key": key, "doc": b"{}"})


@pytest.fixture
def archive(records: Records) -> JobArchive:
    return JobArchive(records)


async def found(archive: JobArchive, query: str) -> list[str]:
    page = await archive.search(query, limit=100, sort_dir=1)
    assert page.total == len(page.rows)
    return [msgspec.json.decode(row)["id"] for row in page.rows]


async def words(records: Records) -> int:
    count = sa.select(sa.func.count()).select_from(tables.terms)
    return await records.read(lambda connection: int(connection.execute(count).scalar_one()))


async def test_a_job_comes_back_as_it_was(archive: JobArchive) -> None:
    stored = job("j1")
    assert await archive.add(stored) is True
    assert await archive.get("j1") == stored
    assert msgspec.json.decode(await archive.get_json("j1") or b"") == stored
    assert await archive.get("j2") is None
    assert await archive.get_json("j2") is None


async def test_a_job_without_heavy_properties_comes_back_too(archive: JobArchive) -> None:
    await archive.add({"id": "j1"})
    assert await archive.get("j1") == {"id": "j1"}


async def test_what_follows_a_job_is_written_once(records: Records, archive: JobArchive) -> None:
    assert await archive.add(job("j1"), state("first")) is True
    assert await archive.add(job("j1", code="abort"), state("second")) is False
    assert (await archive.get("j1") or {})["code"] == 0
    assert await found(archive, "code:abort") == []
    keys = await records.read(
        lambda connection: connection.execute(sa.select(tables.state.c.key)).scalars().all()
    )
    assert keys == ["first"]


async def test_many_jobs_finish_at_once(archive: JobArchive) -> None:
    added = await asyncio.gather(*(archive.add(job(f"j{n % 40:02d}"), state(f"s{n}")) for n in range(120)))
    assert sum(added) == 40
    assert await found(archive, "*") == [f"j{n:02d}" for n in range(40)]
    assert len(await found(archive, "tags:_success")) == 40


async def test_many_are_fetched_by_id(archive: JobArchive) -> None:
    await asyncio.gather(*(archive.add(job(f"j{n}")) for n in range(20)))
    ids = [f"j{n}" for n in range(1200)]
    brief = await archive.get_many(ids, verbose=False)
    assert set(brief) == {f"j{n}" for n in range(20)}
    assert not HEAVY & set(brief["j3"])
    assert (await archive.get_many(["j3", "none"], verbose=True)) == {"j3": job("j3")}
    assert await archive.exists(ids) == set(brief)
    assert await archive.exists([]) == set()


async def test_a_replaced_job_is_found_by_its_new_words_alone(records: Records, archive: JobArchive) -> None:
    await archive.add(job("j1"))
    await archive.get_json("j1")
    before = await words(records)
    assert await archive.replace(job("j1", tags=["_error", "_last"], code="critical")) is True
    assert (await archive.get("j1") or {})["code"] == "critical"
    assert await found(archive, "tags:_success") == []
    assert await found(archive, "tags:_error code:critical tags:_last") == ["j1"]
    assert await words(records) == before
    assert await archive.replace(job("unknown")) is False
    assert await found(archive, "*") == ["j1"]


async def test_a_deleted_job_leaves_nothing(records: Records, archive: JobArchive) -> None:
    await archive.add(job("j1"))
    await archive.get_json("j1")
    assert await archive.delete("j1") is True
    assert await archive.get_json("j1") is None
    assert await found(archive, "*") == []
    assert await words(records) == 0
    assert await archive.delete("j1") is False


async def test_replacements_at_once_leave_the_words_of_the_one_that_stayed(
    records: Records, archive: JobArchive
) -> None:
    await archive.add(job("j1"))
    await asyncio.gather(*(archive.replace(job("j1", code=f"code{n}")) for n in range(8)))
    stayed = (await archive.get("j1") or {})["code"]
    assert [n for n in range(8) if await found(archive, f"code:code{n}")] == [
        int(stayed.removeprefix("code"))
    ]


async def test_totals_follow_every_change(archive: JobArchive) -> None:
    for number in range(5):
        await archive.add(job(f"j{number}"))
        assert (await archive.search("*")).total == number + 1
        assert (await archive.search("event:nightly")).total == number + 1
    await archive.delete("j0")
    assert (await archive.search("event:nightly")).total == 4


async def test_rows_are_encoded_without_the_heavy_properties(archive: JobArchive) -> None:
    await archive.add(job("j1"))
    page = await archive.search("*")
    assert isinstance(page.rows[0], msgspec.Raw)
    assert msgspec.json.decode(page.rows[0]) == {k: v for k, v in job("j1").items() if k not in HEAVY}
    assert msgspec.json.decode((await archive.search("*", verbose=True)).rows[0]) == job("j1")
    assert (await archive.search("*", select=["id", "activity", "none"])).rows == [
        {"id": "j1", "activity": [{"msg": "started"}]}
    ]
    assert (await archive.search("*", select=["code"])).rows == [{"code": 0}]


async def test_one_record_by_id(archive: JobArchive) -> None:
    await archive.add(job("j1"))
    assert await found(archive, "#id:j1") == ["j1"]
    with pytest.raises(SearchError, match="j2") as refusal:
        await archive.search("#id:j2")
    assert refusal.value.code == "db"


async def test_an_unknown_sorter_is_refused(archive: JobArchive) -> None:
    with pytest.raises(SearchError, match="Cannot find sorter: summary"):
        await archive.search("*", sort_by="summary")


@pytest.mark.parametrize("sort_by", ["_id", "completed", "elapsed"])
@pytest.mark.parametrize("query", ["*", "event:even", "tags:common", "date:>=1970-01-02"])
async def test_pages_add_up_to_the_whole_in_order(archive: JobArchive, query: str, sort_by: str) -> None:
    jobs = [
        job(
            f"j{n:03d}",
            completed=1_700_000_000 + (n * 7919) % 1000,
            elapsed=(n * 31) % 17,
            event="even" if n % 2 == 0 else "odd",
            tags=["common"],
        )
        for n in range(60)
    ]
    await asyncio.gather(*map(archive.add, jobs))
    expected = [one for one in jobs if query != "event:even" or one["event"] == "even"]
    for sort_dir in (1, -1):
        expected.sort(
            key=lambda one: (one[sort_by] if sort_by != "_id" else 0, one["id"]), reverse=sort_dir < 0
        )
        ids: list[str] = []
        for offset in range(0, 70, 7):
            page = await archive.search(query, offset=offset, limit=7, sort_by=sort_by, sort_dir=sort_dir)
            assert page.total == len(expected)
            ids += [msgspec.json.decode(row)["id"] for row in page.rows]
        assert ids == [one["id"] for one in expected]


@pytest.mark.parametrize(
    "attack",
    [
        "tags:x' OR '1'='1",
        "'; DROP TABLE jobs; --",
        '(tags = "\' OR 1=1 --")',
        "tags:%",
        "tags:_",
        "#id:' OR 1=1",
        "\x00",
    ],
)
async def test_a_query_is_never_sql(archive: JobArchive, attack: str) -> None:
    await archive.add(job("j1"))
    try:
        page = await archive.search(attack, limit=10)
    except SearchError:
        page = None
    assert page is None or page.total == 0
    assert await found(archive, "*") == ["j1"]
