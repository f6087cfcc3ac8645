"""What is in buckets, over real HTTP (contract api/buckets.yaml)."""

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conductor.announcer import Signals
from conductor.api import buckets
from conductor.filing.bucket_contents import BucketContents
from conductor.filing.buckets import Buckets
from conductor.filing.expiry import FileExpiry
from conductor.filing.uploads import UploadRules
from conductor.records.files import Files
from conductor.records.store import Records
from tests.integration.api.conftest import Served, serving

DEFINITIONS: dict[str, dict[str, Any]] = {
    "b1": {"id": "b1", "title": "The Void"},
    "b2": {"id": "b2", "title": "Ops only", "categories": ["ops"]},
}
RULES = UploadRules("bucket", 1000, 3, ".txt,.bin,.png")


@dataclass
class Filled:
    served: Served
    buckets: Buckets
    folder: Path

    async def upload(
        self, *files: tuple[str, bytes], key: str | None = None, **fields: str
    ) -> tuple[int, dict[str, Any]]:
        form = aiohttp.FormData(quote_fields=False)
        for name, value in fields.items():
            form.add_field(name, value)
        for number, (name, content) in enumerate(files):
            form.add_field(f"file{number}", io.BytesIO(content), filename=name)
        async with self.served.client.post(
            f"{self.served.url}/api/app/upload_bucket_files/v1",
            data=form,
            headers={"X-API-Key": self.served.admin_key if key is None else key},
        ) as response:
            return response.status, await response.json()

    def stored(self) -> list[Path]:
        return [path for path in (self.folder / "store").rglob("*") if path.is_file()]


@pytest.fixture
async def filled(tmp_path: Path) -> AsyncIterator[Filled]:
    records = await Records.open(f"sqlite:///{tmp_path / 'buckets.db'}")
    files = Files.open((tmp_path / "store").as_uri())
    expiry = FileExpiry(records, files)
    contents = Buckets(
        BucketContents(records), files, expiry, RULES, DEFINITIONS.__contains__, max_data_size=10_000
    )
    signals = Signals()
    async with serving(tmp_path, buckets.endpoints(contents, DEFINITIONS.get, signals)) as served:
        signals._observers.extend(served.signals._observers)  # one announcer for both
        yield Filled(served, contents, tmp_path)
    await records.close()


async def test_write_bucket_data(filled: Filled) -> None:
    call = filled.served.call
    assert await call("write_bucket_data", {"id": "b1", "data": {"a": 1}}) == (
        200, {"code": 0, "data": None, "data_revision": (await filled.buckets.revision("b1"))}
    )  # fmt: skip
    status, answer = await call("write_bucket_data", {"id": "b1", "data": {"b": [2]}, "fetch": True})
    assert (status, answer["data"]) == (200, {"a": 1, "b": [2]})
    # By GET, as a job's script may do it.
    status, answer = await call("write_bucket_data", id="b1", data='{"c":3}', fetch="1")
    assert (status, answer["data"]) == (200, {"a": 1, "b": [2], "c": 3})
    _, answer = await call("write_bucket_data", {"id": "b1", "remove": ["a", "b"], "fetch": 1})
    assert answer["data"] == {"c": 3}
    _, answer = await call("write_bucket_data", {"id": "b1", "data": {}, "data_revision": "old"})
    assert answer["code"] == "bucket"


@pytest.mark.parametrize("data", ["[1]", [1], 5, "{", {"k" * 600: 1}, True])
async def test_data_must_be_an_object(filled: Filled, data: object) -> None:
    """buckets.yaml: data is not validated to be an object."""
    status, answer = await filled.served.call("write_bucket_data", {"id": "b1", "data": data})
    assert status == 400
    assert answer["code"] in ("api", "bucket")
    assert await filled.buckets.data("b1") == {}


async def test_upload_bucket_files(filled: Filled) -> None:
    status, answer = await filled.upload(("Test.PNG", b"1"), ("b.txt", b"2"), id="b1")
    assert (status, answer["code"]) == (200, 0)
    assert [file["filename"] for file in answer["files"]] == ["Test.PNG", "b.txt"]
    assert all(len(file["sha256"]) == 64 for file in answer["files"])
    first = answer["files"][0]
    # Seed 003 names the bucket `bucket`; a file of the same normalised name replaces.
    _, answer = await filled.upload(("test.png", b"333"), bucket="b1")
    assert len(answer["files"]) == 2
    assert (answer["files"][0]["path"], answer["files"][0]["size"]) == (first["path"], 3)


@pytest.mark.parametrize(
    ("files", "fields", "code"),
    [
        ([], {"id": "b1"}, "bucket"),
        ([("a.txt", b"x")], {}, "api"),
        ([("a.txt", b"x")], {"id": "nosuch"}, "bucket"),
        ([("a.txt", b"x")], {"id": "B 1"}, "api"),
        ([("a.txt", b"")], {"id": "b1"}, "api"),
        ([("..", b"x")], {"id": "b1"}, "api"),
        ([("a.exe", b"x")], {"id": "b1"}, "bucket"),
        ([("big.txt", b"x" * 1001)], {"id": "b1"}, "bucket"),
        ([(f"{number}.txt", b"x") for number in range(4)], {"id": "b1"}, "bucket"),
    ],
)
async def test_uploads_that_are_refused_leave_nothing(
    filled: Filled, files: list[tuple[str, bytes]], fields: dict[str, str], code: str
) -> None:
    """buckets.yaml: accepted_file_types is not enforced; files already written stay as orphans."""
    status, answer = await filled.upload(*files, **fields)
    assert (status, answer["code"]) == (400, code)
    assert filled.stored() == []
    assert list(filled.served.uploads.iterdir()) == []


async def test_a_file_that_is_too_large_is_refused_while_it_comes(filled: Filled) -> None:
    """files.yaml: whole files are staged in temp first, limits are not enforced."""
    address = filled.served.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(address[0], int(address[1]))
    writer.write(
        b"POST /api/app/upload_bucket_files/v1?id=b1 HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n"
        b"X-API-Key: " + filled.served.admin_key.encode() + b"\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="f"; filename="a.txt"\r\n\r\n' + b"x" * 5_000
    )
    answering = asyncio.create_task(reader.readuntil(b"}"))
    async with asyncio.timeout(5):
        while not answering.done():  # although most of it is still to come
            writer.write(b"x" * 500)
            await writer.drain()
            await asyncio.sleep(0.01)
    answer = await answering
    writer.transport.abort()
    with suppress(ConnectionError):
        await writer.wait_closed()
    assert b'"code":"bucket"' in answer
    assert list(filled.served.uploads.iterdir()) == []


async def test_delete_bucket_file(filled: Filled) -> None:
    await filled.upload(("Test File.png", b"1"), ("b.txt", b"22"), id="b1")
    call = filled.served.call
    for criteria in ({"filename": "c.txt"}, {"filename": "b.txt", "size": 3}, {"path": "x"}):
        status, answer = await call("delete_bucket_file", {"id": "b1", **criteria})
        assert (status, answer["code"]) == (400, "bucket")
    assert next(iter(criteria.values())) in answer["description"]
    assert (await call("delete_bucket_file", {"id": "b1"}))[1]["code"] == "bucket"
    assert (await call("delete_bucket_file", {"id": "nosuch", "size": 1}))[1]["code"] == "bucket"
    # In the normalised form of seed 003, and by loose equality of any property.
    assert await call("delete_bucket_file", {"id": "b1", "filename": "test_file.png"}) == (200, {"code": 0})
    assert await call("delete_bucket_file", id="b1", size="2") == (200, {"code": 0})
    assert filled.stored() == []


async def test_empty_bucket(filled: Filled) -> None:
    await filled.upload(("b.txt", b"22"), id="b1")
    call = filled.served.call
    await call("write_bucket_data", {"id": "b1", "data": {"a": 1}})
    assert (await call("empty_bucket", {"id": "b1"}))[1]["code"] == "bucket"
    assert (await call("empty_bucket", {"id": "nosuch", "files": 1}))[1]["code"] == "bucket"
    assert await call("empty_bucket", {"id": "b1", "files": True}) == (200, {"code": 0})
    assert (await filled.buckets.files("b1"), await filled.buckets.data("b1")) == ([], {"a": 1})
    assert await call("empty_bucket", id="b1", data="1") == (200, {"code": 0})
    assert await filled.buckets.data("b1") == {}


async def test_who_may_change_what_is_in_buckets(filled: Filled) -> None:
    """buckets.yaml: no category or group scoping."""
    reader = await filled.served.key(privileges={"run_jobs": True})
    limited = await filled.served.key(privileges={"edit_buckets": True}, categories=["web"])
    for name in ("write_bucket_data", "delete_bucket_file", "empty_bucket"):
        assert (await filled.served.call(name, {"id": "b1", "files": 1}, key=reader))[0] == 403
        assert (await filled.served.call(name, {"id": "b2", "files": 1}, key=limited))[0] == 403
        assert (await filled.served.call(name, {"id": "b1"}, key=""))[0] == 401
    assert (await filled.upload(("a.txt", b"x"), id="b1", key=reader))[0] == 403
    assert (await filled.upload(("a.txt", b"x"), id="b2", key=limited))[0] == 403
    assert (await filled.upload(("a.txt", b"x"), id="b1", key=limited))[0] == 200


async def test_changes_are_told_and_busy_writers_only_now_and_then(filled: Filled) -> None:
    """buckets.yaml: file, data and empty operations leave no audit trail and no UI refresh."""
    rows: list[dict[str, Any]] = []
    call = filled.served.call
    for number in range(5):
        await call("write_bucket_data", {"id": "b1", "data": {"n": number}})
    await filled.upload(("a.txt", b"x"), id="b1")
    await call("delete_bucket_file", {"id": "b1", "filename": "a.txt"})
    await call("empty_bucket", {"id": "b1", "data": True})
    await filled.served.signals.settled(5)
    await filled.served.activity.flush(5)
    rows = await activity(filled.served)
    assert [row["action"] for row in rows] == [
        "bucket_write_data", "bucket_upload_files", "bucket_delete_file", "bucket_empty"
    ]  # fmt: skip
    assert all(row["description"] == "The Void" and "b1" in row["keywords"] for row in rows)
    assert rows[1]["filenames"] == ["a.txt"]


async def activity(served: Served) -> list[dict[str, Any]]:
    import msgspec
    import sqlalchemy as sa

    from conductor.records import tables

    docs = await served.records.read(
        lambda connection: (
            connection.execute(sa.select(tables.activity.c.doc).order_by(tables.activity.c.id))
            .scalars()
            .all()
        )
    )
    rows = [msgspec.json.decode(doc) for doc in docs]
    return [row for row in rows if row["action"].startswith("bucket_")]
