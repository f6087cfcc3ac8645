"""Definitions of buckets, with a store of their content at the edge."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Refusal
from tests.integration.api.conftest import Served, serving


class Shelf:
    """A store of content in memory, as the port asks for one."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self.full = False

    async def data(self, bucket_id: str) -> dict[str, Any]:
        return self.kept.get(bucket_id, {})

    async def files(self, bucket_id: str) -> list[dict[str, Any]]:
        return []

    async def write_data(
        self, bucket_id: str, data: Mapping[str, Any], *, replace: bool = False
    ) -> dict[str, Any]:
        if self.full:
            raise Refusal("bucket", "The store is full")
        self.kept[bucket_id] = {**({} if replace else self.kept.get(bucket_id, {})), **data}
        return self.kept[bucket_id]

    async def drop(self, bucket_id: str) -> None:
        self.kept.pop(bucket_id, None)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def stocked(tmp_path: Path, shelf: Shelf) -> AsyncIterator[Served]:
    async with serving(tmp_path, content=shelf) as one:
        yield one


async def test_data_and_definition_are_apart(stocked: Served) -> None:
    doc = {"id": "b1", "title": "The Void", "enabled": True, "data": {"foo": "a"}, "files": []}
    _, answer = await stocked.call("create_bucket", doc)
    assert answer["bucket"].keys().isdisjoint({"data", "files"})
    _, got = await stocked.call("get_bucket", id="b1")
    assert got == {"code": 0, "bucket": answer["bucket"], "data": {"foo": "a"}, "files": []}
    status, done = await stocked.call("update_bucket", {"id": "b1", "title": "New", "data": {"bar": 1}})
    assert (status, done["revision"]) == (200, 2)
    _, got = await stocked.call("get_bucket", id="b1")
    assert (got["bucket"]["title"], got["data"]) == ("New", {"bar": 1})
    await stocked.call("update_bucket", {"id": "b1", "notes": "data is left alone"})
    assert (await stocked.call("get_bucket", id="b1"))[1]["data"] == {"bar": 1}
    rows = (await stocked.call("get_buckets"))[1]["rows"]
    assert rows[0].keys().isdisjoint({"data", "files"})


async def test_deletion_takes_the_content_along(stocked: Served, shelf: Shelf) -> None:
    await stocked.call("create_bucket", {"id": "b1", "title": "B", "data": {"a": 1}})
    assert (await stocked.call("delete_bucket", {"id": "b1"}))[1] == {"code": 0}
    assert shelf.kept == {}
    assert (await stocked.call("delete_bucket", {"id": "b1"}))[1]["code"] == "bucket"


async def test_a_used_bucket_keeps_its_content_when_asked(stocked: Served, shelf: Shelf) -> None:
    await stocked.call("create_bucket", {"id": "b1", "title": "B", "data": {"a": 1}})
    field = {"id": "f", "title": "F", "type": "bucket", "bucket_id": "b1"}
    await stocked.call("create_plugin", {"title": "P", "type": "event", "command": "x", "params": [field]})
    assert (await stocked.call("delete_bucket", {"id": "b1", "if_unused": True}))[1]["code"] == "bucket"
    assert shelf.kept == {"b1": {"a": 1}}


async def test_what_is_refused_changes_neither_half(stocked: Served, shelf: Shelf) -> None:
    await stocked.call("create_bucket", {"id": "b1", "title": "B", "data": {"a": 1}})
    for name, body, code in (
        ("create_bucket", {"id": "b1", "title": "B", "data": {"b": 2}}, "bucket"),
        ("create_bucket", {"id": "b2", "title": "B", "data": [1]}, "api"),
        ("create_bucket", {"id": "b2", "title": "B", "files": {}}, "api"),
        ("update_bucket", {"id": "b1", "title": " ", "data": {"b": 2}}, "api"),
        ("update_bucket", {"id": "b1", "data": "x"}, "api"),
        ("update_bucket", {"id": "b1", "expected_revision": 5, "data": {"b": 2}}, "bucket"),
        ("update_bucket", {"id": "b2", "data": {"b": 2}}, "bucket"),
    ):
        status, answer = await stocked.call(name, body)
        assert (status, answer["code"]) == (400, code), (name, body, answer)
    shelf.full = True
    assert (await stocked.call("create_bucket", {"id": "b2", "title": "B", "data": {"b": 2}}))[0] == 400
    assert (await stocked.call("update_bucket", {"id": "b1", "title": "N", "data": {"b": 2}}))[0] == 400
    assert shelf.kept == {"b1": {"a": 1}}
    [row] = (await stocked.call("get_buckets"))[1]["rows"]
    assert (row["id"], row["title"], row["revision"]) == ("b1", "B", 1)


async def test_without_a_store_buckets_are_empty(served: Served) -> None:
    await served.call("create_bucket", {"id": "b1", "title": "B"})
    _, got = await served.call("get_bucket", id="b1")
    assert (got["data"], got["files"]) == ({}, [])
    status, answer = await served.call("create_bucket", {"id": "b2", "title": "B", "data": {"a": 1}})
    assert (status, answer["code"]) == (400, "bucket")
    assert [row["id"] for row in (await served.call("get_buckets"))[1]["rows"]] == ["b1"]
