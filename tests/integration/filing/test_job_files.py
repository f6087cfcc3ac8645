"""Files of jobs, and what becomes of files in time, on both databases (contract api/files.yaml, jobs.md §23)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from conductor.errors import Refusal, Unavailable
from conductor.filing.expiry import FileExpiry
from conductor.filing.job_files import ORPHAN_SECONDS
from conductor.filing.uploads import UploadRules
from conductor.filing.user_files import UserFiles
from conductor.records.files import Files
from shared import clock
from tests.integration.filing.conftest import Filing

LATER = 10**10


def record(job_id: str, **more: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "completed": 5.0,
        "elapsed": 1.0,
        "event": "e1",
        "category": "general",
        "tags": [],
        **more,
    }


async def test_an_output_is_stored_below_its_job(filing: Filing) -> None:
    file = await filing.jobs.add_output("j1", filing.brought("Ä Report", b"x"), server="s1")
    head, job, random, name = file["path"].rsplit("/", 3)
    assert (head, job, name, len(random)) == ("files/jobs", "j1", "_report.bin", 43)
    assert {key: file[key] for key in ("filename", "size", "server", "job")} == {
        "filename": "_ Report", "size": 1, "server": "s1", "job": "j1"
    }  # fmt: skip
    assert await filing.get(file["path"]) == b"x"


async def test_a_job_cannot_be_given_files_without_end(filing: Filing) -> None:
    """files.yaml: upload_job_file lets any API key attach files to any job, unbounded count and size."""
    results = await asyncio.gather(
        *(filing.jobs.add_output("j1", filing.brought("a")) for _ in range(6)), return_exceptions=True
    )
    assert len(filing.stored()) == 3
    assert sum(isinstance(result, Refusal) for result in results) == 3
    with pytest.raises(Refusal, match="too large"):
        await filing.jobs.add_output("j2", filing.brought("a", b"x" * 101))
    assert await filing.expiry.count_under("files/jobs/j1") == len(filing.stored())
    await filing.jobs.add_output("j12", filing.brought("a"))  # another job, though its ID begins the same


async def test_outputs_that_no_result_lists_are_reaped(filing: Filing) -> None:
    """files.yaml: reap orphans never referenced by finish_job."""
    listed, orphan = [await filing.jobs.add_output("j1", filing.brought(name)) for name in "ab"]
    running = await filing.jobs.add_output("j2", filing.brought("c"))
    unknown = await filing.jobs.add_output("j3", filing.brought("d"))
    await filing.archive.add(record("j1", files=[listed]))
    filing.active["j2"] = {"id": "j2"}
    assert await filing.expiry.expire(clock.now()) == 0  # a result may be days late
    due = clock.now() + ORPHAN_SECONDS + 1
    assert await filing.expiry.expire(due) == 2
    assert filing.stored() == {listed["path"], running["path"]}
    assert await filing.get(orphan["path"]) is None
    assert await filing.get(unknown["path"]) is None
    filing.active.clear()
    await filing.archive.add(record("j2", files=[]))
    assert await filing.expiry.expire(LATER) == 1
    assert filing.stored() == {listed["path"]}


async def test_inputs_of_one_call_share_a_folder_and_expire(filing: Filing) -> None:
    uploads = [filing.brought("A.txt"), filing.brought("a.TXT", b"2")]
    files = await filing.jobs.add_inputs(uploads, "ann", 1000)
    assert {file["path"].rsplit("/", 2)[0] for file in files} == {"files/ann"}
    assert len({file["path"].rsplit("/", 2)[1] for file in files}) == 1
    assert [file["path"].rsplit("/", 1)[1] for file in files] == ["a.txt", "a-2.txt"]
    assert [file["filename"] for file in files] == ["A.txt", "a.TXT"]
    assert await filing.expiry.expire(999) == 0
    assert await filing.expiry.expire(1000) == 2
    assert filing.stored() == set()
    (magic,) = await filing.jobs.add_inputs([filing.brought("m")], "", 1000, folder="magic", magic=True)
    assert magic["magic"] is True
    assert magic["path"].startswith("files/magic/")
    assert "username" not in magic
    with pytest.raises(Refusal) as refused:
        await filing.jobs.add_inputs([filing.brought(str(number)) for number in range(4)], "ann", 1000)
    assert refused.value.code == "file"


async def test_a_job_takes_its_files_along_and_leaves_those_of_others(filing: Filing) -> None:
    output = await filing.jobs.add_output("j1", filing.brought("o"))
    (own,) = await filing.jobs.add_inputs([filing.brought("i")], "ann", 1000)
    (bucketed,) = await filing.buckets.upload("b1", [filing.brought("b")], username="ann")
    other = await filing.jobs.add_output("j9", filing.brought("p"))
    files = [own, {**bucketed, "bucket": "b1"}, other]
    await filing.jobs.delete_of_job(record("j1", files=[output], input={"files": files}))
    assert filing.stored() == {bucketed["path"], other["path"]}
    assert await filing.expiry.count_under("files/jobs/j1") == 0
    assert await filing.expiry.expires(own["path"]) is None


async def test_a_retry_keeps_the_inputs_of_the_job_it_repeats(filing: Filing) -> None:
    """file.yaml: nothing tracks references; deleting one job breaks another one."""
    (own,) = await filing.jobs.add_inputs([filing.brought("i")], "ann", 1000)
    first = record("j1", input={"files": [own]}, retried=True, jobs=[{"id": "j2", "reason": "retry"}])
    second = record("j2", input={"files": [own]}, retry_prev="j1")
    await filing.archive.add(second)
    await filing.jobs.delete_of_job(first)
    assert filing.stored() == {own["path"]}
    await filing.archive.delete("j2")
    await filing.jobs.delete_of_job(second)
    assert filing.stored() == set()


async def test_a_death_after_the_record_went_is_made_good(filing: Filing) -> None:
    await filing.jobs.add_output("j1", filing.brought("o"))
    await filing.files.put("logs/jobs/j1/log.txt.gz", b"log")
    await filing.archive.add(record("j1"))
    await filing.jobs.condemn("j1")
    await filing.expiry.expire(clock.now())  # still there: its deletion did not get that far
    assert len(filing.stored()) == 2
    await filing.jobs.condemn("j1")
    await filing.archive.delete("j1")
    await filing.expiry.expire(clock.now())
    assert filing.stored() == set()


async def test_two_deletions_in_one_record_both_count(filing: Filing) -> None:
    """files.yaml: delete_job_file updates the job without lock, losing concurrent edits."""
    files = [await filing.jobs.add_output("j1", filing.brought(name)) for name in "abc"]
    await filing.archive.add(record("j1", files=files, label="x"))

    async def relabelled() -> None:
        await filing.archive.revise("j1", lambda job: {**job, "label": "y", "tags": ["t1"]})

    await asyncio.gather(
        filing.jobs.delete_file("j1", files[0]["path"]),
        filing.jobs.delete_file("j1", files[2]["path"]),
        relabelled(),
    )
    job = await filing.archive.get("j1")
    assert job is not None
    assert (job["files"], job["label"]) == ([files[1]], "y")
    assert filing.stored() == {files[1]["path"]}
    assert (await filing.archive.search("tags:t1", limit=5)).total == 1


async def test_a_file_of_somebody_else_is_not_deleted_through_a_job(filing: Filing) -> None:
    (own,) = await filing.jobs.add_inputs([filing.brought("i")], "ann", 1000)
    foreign = await filing.jobs.add_output("j9", filing.brought("p"))
    bucketed = {"path": "files/bucket/b1/R/x.txt", "filename": "x.txt", "bucket": "b1"}
    ticket = {"path": "files/t1/ann/R/x.txt", "filename": "x.txt", "ticket": "t1"}
    await filing.archive.add(
        record("j1", files=[foreign], input={"data": {}, "files": [own, bucketed, ticket]})
    )
    for path, owner in ((bucketed["path"], "bucket"), (ticket["path"], "ticket"), ("files/x", "not found")):
        with pytest.raises(Refusal, match=owner) as refused:
            await filing.jobs.delete_file("j1", path)
        assert refused.value.code == "job"
    await filing.jobs.delete_file("j1", foreign["path"])
    await filing.jobs.delete_file("j1", own["path"])
    assert filing.stored() == {foreign["path"]}
    job = await filing.archive.get("j1")
    assert job is not None
    assert job["input"] == {"data": {}, "files": [bucketed, ticket]}
    with pytest.raises(Refusal, match="j7"):
        await filing.jobs.delete_file("j7", "files/x")


class Failing(Files):
    """A store that is down for some keys."""

    bad = "bad"

    async def take(self, key: str, path: Path) -> None:
        if self.bad and self.bad in key:
            raise Unavailable("The file store failed")
        await super().take(key, path)

    async def delete(self, *keys: str) -> None:
        if self.bad and any(self.bad in key for key in keys):
            raise Unavailable("The file store failed")
        await super().delete(*keys)


async def test_of_an_upload_that_fails_nothing_stays(filing: Filing) -> None:
    files = Failing(filing.files._store, filing.folder / "store")
    users = UserFiles(files, filing.expiry, UploadRules("file", 100, 9))
    with pytest.raises(Unavailable):
        await users.store([filing.brought("good.txt"), filing.brought("bad.txt")], "ann", 1000)
    files.bad = ""
    await filing.expiry.expire(LATER)
    assert filing.stored() == set()
    (key,) = await users.store([filing.brought("Report.CSV")], "ann", 1000)
    assert key.startswith("files/ann/")
    assert key.endswith("/Report.CSV")


async def test_what_the_store_does_not_delete_stays_due(filing: Filing) -> None:
    """platform.md: a missed night leaks files for ever."""
    files = Failing(filing.files._store, filing.folder / "store")
    expiry = FileExpiry(filing.records, files)
    for key in ("files/x/bad.txt", "files/x/good.txt"):
        await expiry.set([key], 50)
        await filing.files.put(key, b"x")
    await expiry.set(["files/x/never_stored.txt"], 50)
    assert await expiry.expire(100) == 2
    assert filing.stored() == {"files/x/bad.txt"}
    files.bad = ""
    assert await expiry.expire(100 + 86_400) == 1
    assert filing.stored() == set()


async def test_a_great_many_files_expire_in_one_call(filing: Filing) -> None:
    await filing.expiry.set([f"files/x/{number}.txt" for number in range(450)], 50)
    assert await filing.expiry.expire(100) == 450
    assert await filing.expiry.count_under("files/x") == 0
