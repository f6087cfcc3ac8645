"""Full-text search in jobs and their files (contract search.md §6 and §10 of where to be better)."""

import gzip
from typing import Any

import pytest

from conductor.access.account import Account
from conductor.administration.file_search import FileSearch
from tests.integration.administration.conftest import House

ADMIN = Account("user", "admin", "admin", frozenset(("admin",)), frozenset(), frozenset())
LIMITED = Account("user", "ann", "ann", frozenset(), frozenset(("lab",)), frozenset())


@pytest.fixture
async def filled(house: House) -> House:
    house.settings.secret_key = "k"
    for n in range(60):
        await house.archive.add({"id": f"j{n:02d}", "code": 0, "completed": n, "description": f"run {n}"})
    log = {"id": "k1", "code": 0, "completed": 5, "log_file_size": 99, "category": "lab", "plugin": "p"}
    await house.archive.add(log)
    await house.files.put("logs/jobs/k1/log.txt.gz", gzip.compress(b"a needle here\nand a NEEDLE there"))
    files = [
        {"path": "files/jobs/k2/x/out.csv", "filename": "Out.csv"},
        {"path": "files/jobs/k2/x/photo.png", "filename": "photo.png"},
        {"path": "files/jobs/k2/x/gone.txt", "filename": "gone.txt"},
        {"path": "files/jobs/k2/x/broken.txt.gz", "filename": "broken.txt.gz"},
        "nonsense",
    ]
    extra = {"input": {"data": {"who": "needle in a haystack of many letters"}}, "files": files}
    await house.archive.add({"id": "k2", "code": 0, "completed": 6, "category": "other", **extra})
    for name in ("out.csv", "photo.png", "broken.txt.gz"):
        await house.files.put(f"files/jobs/k2/x/{name}", b"id;needle\n1;2\n")
    return house


async def search(house: House, account: Account = ADMIN, **asked: Any) -> list[tuple[str, Any]]:
    told: list[tuple[str, Any]] = []
    service = FileSearch(house.archive, house.files, house.settings)
    await service.run(account, asked, lambda cmd, data: told.append((cmd, data)))
    assert (told[0][0], told[-1][0]) == ("search_started", "search_complete")
    assert {data["id"] for _, data in told} == {told[0][1]["id"]}
    return told


def places(told: list[tuple[str, Any]]) -> set[tuple[str, str]]:
    return {(data["job"], data["filename"]) for cmd, data in told if cmd == "search_result"}


async def test_rest_search_yaml_texts_logs_and_files_are_searched(filled: House) -> None:
    told = await search(filled, match="needle")
    assert places(told) == {("k1", "log.txt"), ("k2", "input.data"), ("k2", "Out.csv")}
    [log] = [data for cmd, data in told if cmd == "search_result" and data["job"] == "k1"]
    assert log["preview"] == {"before": "a ", "matched": "needle", "after": " here\nand a NEEDLE there"}
    assert (log["count"], log["plugin"], len(log["token"])) == (2, "p", 22)
    assert told[-1][1] == {"id": log["id"], "offset": 62, "hit_max": False}
    assert places(await search(filled, match="NEEDLE", case=True)) == {("k1", "log.txt")}
    assert places(await search(filled, match=r"need\w+ in", regex=True)) == {("k2", "input.data")}
    assert places(await search(filled, match="needle", query="category:other")) == {
        ("k2", "input.data"),
        ("k2", "Out.csv"),
    }


async def test_rest_search_yaml_limits_hold_in_the_files_of_jobs_too(filled: House) -> None:
    assert places(await search(filled, LIMITED, match="needle")) == {("k1", "log.txt")}
    assert places(await search(filled, LIMITED, match="needle", query="category:other |")) == set()


async def test_a_search_stops_at_its_most_and_can_be_gone_on_with(filled: House) -> None:
    seen, offset = set(), 0
    for _ in range(20):
        told = await search(filled, match="run", max=7, offset=offset, sort_dir=1)
        seen |= places(told)
        offset = told[-1][1]["offset"]
        if not told[-1][1]["hit_max"]:
            break
    assert {job for job, _ in seen} == {f"j{n:02d}" for n in range(60)}


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"match": ""},
        {"match": 5},
        {"match": "(", "regex": True},
        {"match": "a", "query": "(nosuchfield = 1)"},
        {"match": "a", "max": "x"},
    ],
)
async def test_rest_search_10_a_bad_pattern_ends_the_search_and_says_so(
    filled: House, asked: dict[str, Any]
) -> None:
    told = await search(filled, **asked)
    assert told[-1][1]["error"]


async def test_rest_search_10_no_pattern_takes_for_ever(filled: House) -> None:
    await filled.archive.add({"id": "k3", "code": 0, "completed": 9, "description": "a" * 5_000 + "!"})
    told = await search(filled, match="^(a|a)+$", regex=True)
    assert "too long" in told[-1][1]["error"]
