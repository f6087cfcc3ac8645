from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conductor.errors import BadParameter, NotFound, Unavailable
from conductor.records.files import Files


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files.open(f"file://{tmp_path / 'with space' / 'files'}")


async def chunks(*parts: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for part in parts:
        yield part
    if error:
        raise error


async def read(files: Files, key: str, *span: int) -> bytes:
    return b"".join([chunk async for chunk in files.stream(key, *span)])


async def test_bytes_chunks_and_local_files(files: Files, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"z" * 6_000_000)
    assert await files.put("a/bytes", b"hello") == 5
    assert await files.put("a/chunks", chunks(b"one", b"", b"two")) == 6
    assert await files.put("a/local", local) == 6_000_000
    assert await files.put("a/none", chunks()) == 0
    assert await files.get("a/bytes") == b"hello"
    assert await files.get("a/chunks") == b"onetwo"
    assert await files.get("a/none") == b""
    assert await files.size("a/local") == 6_000_000
    assert await read(files, "a/local") == local.read_bytes()


async def test_ranges(files: Files) -> None:
    await files.put("k", b"0123456789")
    assert await read(files, "k", 3) == b"3456789"
    assert await read(files, "k", 3, 5) == b"34"
    assert await read(files, "k", 0, 100) == b"0123456789"
    assert await read(files, "k", 10) == b""
    assert await read(files, "k", 50, 60) == b""


async def test_what_is_missing(files: Files, tmp_path: Path) -> None:
    assert await files.get("none") is None
    assert await files.size("none") is None
    await files.delete("none", "nowhere/none")
    await files.delete_under("nowhere")
    for span in ((), (5,)):
        with pytest.raises(NotFound):
            await read(files, "none", *span)
    with pytest.raises(NotFound):
        await files.put("k", tmp_path / "absent")


async def test_a_failed_upload_leaves_the_old_file(files: Files) -> None:
    await files.put("k", b"old")
    with pytest.raises(RuntimeError, match="torn"):
        await files.put("k", chunks(b"new", error=RuntimeError("torn")))
    assert await files.get("k") == b"old"


async def test_deletion_stays_inside_its_folder(files: Files) -> None:
    for key in ("jobs/j1/a", "jobs/j1/deep/b", "jobs/j10/c", "jobs/j1x"):
        await files.put(key, b"x")
    await files.delete_under("jobs/j1")
    assert await files.get("jobs/j1/a") is None
    assert await files.get("jobs/j1/deep/b") is None
    assert await files.get("jobs/j10/c") == b"x"
    await files.delete("jobs/j10/c", "jobs/none", "jobs/j1x")
    assert await files.get("jobs/j1x") is None


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "a/./b", "a//b", "", "/etc/passwd", "a/", "x" * 300, "a/" * 600 + "a"]
)
async def test_no_key_leaves_the_root(files: Files, key: str, tmp_path: Path) -> None:
    for call in (
        files.put(key, b"x"),
        files.get(key),
        files.size(key),
        files.delete(key),
        files.delete_under(key),
    ):
        with pytest.raises(BadParameter):
            await call
    with pytest.raises(BadParameter):
        await read(files, key)
    assert not (tmp_path / "x").exists()


async def test_a_store_that_fails_is_unavailable(files: Files) -> None:
    await files.put("a/b", b"x")
    with pytest.raises(Unavailable):
        await files.put("a", b"a folder is in the way")
    with pytest.raises(Unavailable):
        Files.open("gopher://x/y")


def test_a_folder_that_cannot_be_made_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="Cannot open the file store"):
        Files.open((tmp_path / "file" / "below").as_uri())


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """A store on our own file system, and one that is not."""
    if request.param == "folder":
        return Files.open((tmp_path / "store").as_uri())
    from obstore.store import MemoryStore

    return Files(MemoryStore())


async def test_a_local_file_is_taken_copied_and_moved(store: Files, tmp_path: Path) -> None:
    brought = tmp_path / "brought"
    brought.write_bytes(b"content")
    await store.take("files/Ann/AbC/x.txt", brought)
    assert not brought.exists()
    await store.copy("files/Ann/AbC/x.txt", "staging/one")
    await store.move("staging/one", "files/bucket/b1/y.txt")
    await store.copy("files/bucket/b1/y.txt", "staging/two")
    await store.move("staging/two", "files/bucket/b1/y.txt")  # the same content under both names
    assert await store.get("files/bucket/b1/y.txt") == b"content"
    assert await store.get("files/Ann/AbC/x.txt") == b"content"
    assert await store.size("staging/one") is None
    assert await store.size("staging/two") is None
    for call in (store.copy, store.move):
        with pytest.raises(NotFound):
            await call("files/none", "files/other")


async def test_what_is_written_anew_within_a_second_looks_different(store: Files) -> None:
    await store.put("files/a.txt", b"one")
    before = await store.stat("files/a.txt")
    await store.put("files/a.txt", b"two")
    after = await store.stat("files/a.txt")
    assert before is not None
    assert after is not None
    assert before.size == after.size == 3
    assert before.etag != after.etag
    assert await store.stat("files/b.txt") is None
    assert await store.stat("files/../b.txt") is None
