"""What is in buckets, on both databases (contract api/buckets.yaml)."""

import asyncio
from pathlib import Path

import pytest

from conductor.errors import Refusal, Unavailable
from conductor.records.files import Files
from conductor.signals import DefinitionChanged
from tests.integration.filing.conftest import Filing


async def test_data_is_merged_key_by_key_or_replaced(filing: Filing) -> None:
    buckets = filing.buckets
    assert await buckets.data("b1") == {}
    assert await buckets.write_data("b1", {"b": 1, "a": {"x": [1]}}) == {"b": 1, "a": {"x": [1]}}
    assert list(await buckets.data("b1")) == ["b", "a"]  # as it was given
    assert await buckets.write_data("b1", {"a": None, "ü": "x"}) == {"b": 1, "a": None, "ü": "x"}
    assert await buckets.write_data("b1", {"c": 2}, remove=["b", "nothing"]) == {"a": None, "ü": "x", "c": 2}
    assert await buckets.write_data("b1", {"z": 1}, replace=True) == {"z": 1}
    with pytest.raises(Refusal, match="b2") as refused:
        await buckets.write_data("b2", {})
    assert refused.value.code == "bucket"


async def test_two_writers_of_one_bucket_lose_no_update(filing: Filing) -> None:
    """buckets.yaml: a whole data document is rewritten per call; update_bucket races with write_bucket_data."""
    await asyncio.gather(*(filing.buckets.write_data("b1", {f"key{number}": number}) for number in range(40)))
    assert await filing.buckets.data("b1") == {f"key{number}": number for number in range(40)}


async def test_data_is_written_only_if_nobody_else_has_changed_it(filing: Filing) -> None:
    """buckets.yaml: no compare-and-set on data."""
    buckets = filing.buckets
    assert await buckets.revision("b1") == ""
    first = await buckets.merge_data("b1", {"n": 1}, expected="")
    assert await buckets.revision("b1") == first
    results = await asyncio.gather(
        *(buckets.merge_data("b1", {"n": number}, expected=first) for number in (2, 3)),
        return_exceptions=True,
    )
    (done,) = [result for result in results if isinstance(result, str)]
    (refused,) = [result for result in results if isinstance(result, Refusal)]
    assert "changed meanwhile" in refused.description
    assert await buckets.revision("b1") == done
    assert (await buckets.data("b1"))["n"] == 2 + results.index(done)


async def test_data_has_a_largest_size(filing: Filing) -> None:
    """buckets.yaml: data has no size cap."""
    buckets = filing.buckets
    await buckets.write_data("b1", {"a": "x" * 1500})
    for _ in range(3):  # what is replaced does not count twice
        await buckets.write_data("b1", {"b": "y" * 300})
    with pytest.raises(Refusal, match="full"):
        await buckets.write_data("b1", {"c": "z" * 400})
    assert set(await buckets.data("b1")) == {"a", "b"}
    with pytest.raises(Refusal, match="full"):
        await buckets.write_data("b1", {"c": "z" * 3000}, replace=True)
    with pytest.raises(Refusal, match="key"):
        await buckets.write_data("b1", {"k" * 600: 1})


async def test_uploads_enter_and_replace_by_normalised_name(filing: Filing) -> None:
    files = await filing.buckets.upload(
        "b1", [filing.brought("A b.TXT", b"one"), filing.brought("c.bin", sha256="ab")], username="ann"
    )
    assert [file["filename"] for file in files] == ["A b.TXT", "c.bin"]
    assert files[0]["path"].endswith("/a_b.txt")
    assert (files[0]["username"], files[0]["size"], files[1]["sha256"]) == ("ann", 3, "ab")
    again = await filing.buckets.upload("b1", [filing.brought("a_B.txt", b"other")], username="bob")
    assert [file["path"] for file in again] == [file["path"] for file in files]
    assert (again[0]["id"], again[0]["filename"], again[0]["size"]) == (files[0]["id"], "a_B.txt", 5)
    assert await filing.get(files[0]["path"]) == b"other"
    assert await filing.buckets.files("b1") == again
    assert filing.stored() == {file["path"] for file in files}  # nothing staged is left
    assert not list(filing.folder.glob("upload-*"))
    assert await filing.expiry.expire(10**10) == 0  # and nothing of it will ever expire
    assert filing.stored() == {file["path"] for file in files}


async def test_an_upload_that_does_not_fit_leaves_nothing_behind(filing: Filing) -> None:
    """buckets.yaml: uploads that exceed the file count midway keep the blobs already written (orphans)."""
    first = await filing.buckets.upload(
        "b1", [filing.brought("a.txt"), filing.brought("b.txt")], username="ann"
    )
    with pytest.raises(Refusal, match="full"):
        await filing.buckets.upload("b1", [filing.brought("c.txt"), filing.brought("d.txt")], username="ann")
    with pytest.raises(Refusal, match="too large"):
        await filing.buckets.upload("b1", [filing.brought("c.txt", b"x" * 101)], username="ann")
    assert await filing.buckets.files("b1") == first
    assert filing.stored() == {file["path"] for file in first}


async def test_many_uploads_at_once_lose_no_file_and_keep_the_limit(filing: Filing) -> None:
    uploads = [filing.brought(f"{number}.txt", bytes([number])) for number in range(5)]
    results = await asyncio.gather(
        *(filing.buckets.upload("b1", [one], username="ann") for one in uploads), return_exceptions=True
    )
    assert sum(isinstance(result, Refusal) for result in results) == 2
    files = await filing.buckets.files("b1")
    assert len(files) == 3
    assert filing.stored() == {file["path"] for file in files}
    for file in files:
        assert await filing.get(file["path"]) == bytes([int(file["filename"][0])])


class Slow(Files):
    """A store whose copies take as long as the test wants."""

    def __init__(self, folder: Path) -> None:
        opened = Files.open(folder.as_uri())
        super().__init__(opened._store, folder)
        self.copying = asyncio.Event()
        self.go_on = asyncio.Event()

    async def copy(self, source: str, target: str) -> None:
        self.copying.set()
        await self.go_on.wait()
        await super().copy(source, target)


async def test_the_lock_is_not_held_while_files_are_copied(filing: Filing) -> None:
    """actions.md 7 and buckets.yaml `locking`: a copy of gigabytes must not keep everybody else out."""
    slow = Slow(filing.folder / "store")
    filing.buckets._files = slow
    file = await filing.jobs.add_output("j1", filing.brought("big.bin"))
    storing = asyncio.create_task(filing.buckets.store("b1", data={"n": 1}, files=[file]))
    async with asyncio.timeout(10):
        await slow.copying.wait()
        await filing.buckets.write_data("b1", {"m": 2})
        (other,) = await filing.buckets.upload("b1", [filing.brought("other.txt")], username="ann")
        slow.go_on.set()
        steps = await storing
    assert len(steps) == 2
    assert await filing.buckets.data("b1") == {"n": 1, "m": 2}
    assert [one["filename"] for one in await filing.buckets.files("b1")] == [other["filename"], "big.bin"]


async def test_a_job_stores_its_output(filing: Filing) -> None:
    file = await filing.jobs.add_output("j1", filing.brought("Out.csv", b"1,2", sha256="cd"), server="s1")
    await filing.buckets.upload("b1", [filing.brought("out.CSV", b"old")], username="ann")
    await filing.buckets.store("b1", data=None, files=[file])
    (stored,) = await filing.buckets.files("b1")
    assert (stored["job"], stored["server"], stored["size"], stored["sha256"]) == ("j1", "s1", 3, "cd")
    assert "username" not in stored
    assert await filing.get(stored["path"]) == b"1,2"
    # Once more the same content: two names of one file must not become none.
    await filing.buckets.store("b1", data=None, files=[file])
    assert await filing.get(stored["path"]) == b"1,2"
    # The job's copy goes with the job and takes nothing along.
    await filing.jobs.delete_of_job({"id": "j1"})
    assert filing.stored() == {stored["path"]}


@pytest.mark.parametrize("path", ["files/jobs/j1/gone/x.txt", "../secret_key", 5, None])
async def test_what_is_no_file_any_more_is_not_stored(filing: Filing, path: object) -> None:
    with pytest.raises(Refusal) as refused:
        await filing.buckets.store("b1", data={"a": 1}, files=[{"path": path, "filename": "x.txt"}])
    assert refused.value.code == "bucket"
    assert await filing.buckets.files("b1") == []
    assert await filing.buckets.data("b1") == {}


async def test_files_are_deleted_one_by_one_or_all(filing: Filing) -> None:
    await filing.buckets.upload("b1", [filing.brought("a"), filing.brought("b")], username="ann")
    await filing.buckets.write_data("b1", {"a": 1})
    deleted = await filing.buckets.delete_file("b1", lambda file: file["filename"] == "b")
    assert deleted is not None
    assert await filing.buckets.delete_file("b1", lambda file: file["filename"] == "b") is None
    assert [file["filename"] for file in await filing.buckets.files("b1")] == ["a"]
    assert len(filing.stored()) == 1
    await filing.buckets.empty("b1", files=True, data=False)
    assert (await filing.buckets.files("b1"), await filing.buckets.data("b1")) == ([], {"a": 1})
    await filing.buckets.empty("b1", files=False, data=True)
    assert await filing.buckets.data("b1") == {}
    assert filing.stored() == set()


async def test_a_bucket_goes_with_everything_in_it_though_a_blob_is_gone(filing: Filing) -> None:
    """buckets.yaml, delete_bucket: the original aborts half-way and leaves an undeletable bucket."""
    files = await filing.buckets.upload("b1", [filing.brought("a"), filing.brought("b")], username="ann")
    await filing.buckets.write_data("b1", {"a": 1})
    await filing.files.delete(files[0]["path"])
    await filing.buckets.drop("b1")
    assert filing.stored() == set()
    assert (await filing.buckets.files("b1"), await filing.buckets.data("b1")) == ([], {})


async def test_what_entered_a_bucket_in_its_last_moment_goes_with_its_definition(filing: Filing) -> None:
    await filing.buckets.upload("b1", [filing.brought("a")], username="ann")
    deleted = DefinitionChanged(kind="buckets", verb="delete", item={"id": "b1"})
    await filing.buckets.observe(deleted)  # it is defined again already
    assert len(filing.stored()) == 1
    filing.known.clear()
    await filing.buckets.observe(deleted)
    assert filing.stored() == set()


async def test_a_list_of_files_can_be_replaced_by_the_buckets_own_alone(filing: Filing) -> None:
    """buckets.yaml, create_bucket: the list is not validated, it could name anybody's files."""
    a, b = await filing.buckets.upload("b1", [filing.brought("a"), filing.brought("b")], username="ann")
    await filing.buckets.replace_files("b1", [{**b, "note": 1}])
    assert await filing.buckets.files("b1") == [{**b, "note": 1}]
    assert len(filing.stored()) == 2  # blobs are not deleted
    for path in (f"files/ann/{'r' * 43}/x.txt", "files/bucket/b1/../b2/x/y.txt", "files/bucket/b2/R/x.txt"):
        with pytest.raises(Refusal, match="does not lie"):
            await filing.buckets.replace_files("b1", [{**a, "path": path}])


class Broken(Files):
    """A store that takes nothing under its final name."""

    async def move(self, source: str, target: str) -> None:
        raise Unavailable("The file store failed")


async def test_after_a_failure_in_the_middle_nothing_stays_for_ever(filing: Filing) -> None:
    broken = Broken(filing.files._store, filing.folder / "store")
    filing.buckets._files = broken
    with pytest.raises(Unavailable):
        await filing.buckets.upload("b1", [filing.brought("a")], username="ann")
    assert await filing.buckets.files("b1") == []
    await filing.expiry.expire(10**10)
    assert filing.stored() == set()
