"""Files of jobs: inputs that people bring, outputs that satellites deliver.

Contract api/files.yaml, jobs.md §21 and §23. An output lives as long as its job lists it. Until the job's
result arrives nobody knows whether it will: each output has an expiry, at which the archive is asked.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import structlog

from conductor.errors import Refusal
from conductor.filing.expiry import Fate, FileExpiry, job_folder
from conductor.filing.inputs import owned_inputs
from conductor.filing.names import display_name, distinct, random_part, stored_name, user_folder
from conductor.filing.uploads import Json, Upload, UploadRules, file_object
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.signals import EventRow
from shared import clock

ORPHAN_SECONDS = 7 * 86_400
"""How long an output waits for a result that lists it: a satellite may be cut off for days."""

_JOBS = "files/jobs"

log = structlog.get_logger(__name__)


class JobFiles:
    """`active` answers the active job of an ID, or None; `rules` bound one job's files."""

    def __init__(
        self,
        files: Files,
        archive: JobArchive,
        expiry: FileExpiry,
        rules: UploadRules,
        active: Callable[[str], Mapping[str, Any] | None],
    ) -> None:
        self.rules = rules
        self.input_rules = UploadRules("file", rules.max_size, rules.max_count, rules.accepted)
        self._files = files
        self._archive = archive
        self._expiry = expiry
        self._active = active
        self._counting: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        expiry.fates = self.fates

    async def add_output(
        self, job_id: str, upload: Upload, *, server: str = "", username: str = "", media_type: str = ""
    ) -> Json:
        """Store what a job has made; returns its File. The job need not be known any more, nor yet.

        Raises Refusal `job` beyond the limits of one job, Unavailable when it cannot be stored.
        """
        self.rules.check_size(upload.name, upload.size)
        self.rules.check(upload.name, media_type)
        key = f"{_JOBS}/{job_id}/{random_part()}/{stored_name(upload.name)}"
        now = clock.now()
        lock = self._counting.setdefault(job_id, asyncio.Lock())
        async with lock:  # not while it is copied
            self.rules.check_count(await self._expiry.count_under(f"{_JOBS}/{job_id}") + 1)
            await self._expiry.set([key], int(now) + ORPHAN_SECONDS)
        try:
            await self._files.take(key, upload.path)
        except Refusal:
            await self._expiry.forget([key])
            raise
        return file_object(upload, key, now, server=server, job=job_id, username=username)

    async def add_inputs(
        self, uploads: Sequence[Upload], username: str, expires: int, *, folder: str = "", **more: Any
    ) -> list[Json]:
        """Store files for a job to come; returns their Files, in order. They share one random folder.

        `folder` stands for the user's own where they are not a user's: `magic`, `plugins/ID`. `more` joins
        each File (`magic=True`). Raises Refusal `file` beyond the limits, Unavailable; nothing is left then.
        """
        rules = self.input_rules
        rules.check_count(len(uploads))
        for upload in uploads:
            rules.check_size(upload.name, upload.size)
            rules.check(upload.name, getattr(upload, "type", ""))
        root = f"files/{folder or user_folder(username)}/{random_part()}"
        keys = [f"{root}/{name}" for name in distinct(stored_name(upload.name) for upload in uploads)]
        now = clock.now()
        await store_all(self._files, self._expiry, dict(zip(keys, uploads, strict=True)), expires)
        return [
            file_object(upload, key, now, username=username, **more)
            for key, upload in zip(keys, uploads, strict=True)
        ]

    async def delete_file(self, job_id: str, path: str, events: Sequence[EventRow] = ()) -> Json:
        """Remove one file from an ended job's record, with `events`, then from the store; returns its File.

        Concurrent changes of the record are not lost. Raises Refusal `job` (files.yaml, delete_job_file).
        """
        removed: list[Json] = []

        def without(job: Json) -> Json:
            changed, file = _without(job, path)
            removed.append(file)
            return changed

        if await self._archive.revise(job_id, without, events) is None:
            raise Refusal("job", f"Job not found: {job_id}")
        file = removed[-1]
        if path.startswith(f"{_JOBS}/{job_id}/") or path in owned_inputs(
            {"id": job_id, "input": {"files": [file]}}
        ):
            await self._files.delete(path)
            await self._expiry.forget([path])
        return file

    async def condemn(self, job_id: str) -> None:
        """The job's record is about to go: should we die before its files do, the next expiry removes them."""
        await self._expiry.set([f"{_JOBS}/{job_id}"], int(clock.now()))

    async def delete_of_job(self, job: Mapping[str, Any]) -> None:
        """Delete outputs and inputs of a job whose record is gone; others' files it had used stay.

        A retry uses the inputs of the job it repeats: they go with the last of the two.
        """
        job_id = str(job["id"])
        await self._files.delete_under(f"{_JOBS}/{job_id}")
        gone = [f"{_JOBS}/{job_id}"]
        if not await self._shares_inputs(job):
            inputs = owned_inputs(job)
            await self._files.delete(*inputs)
            gone += inputs
        await self._expiry.forget_under(f"{_JOBS}/{job_id}")
        await self._expiry.forget(gone)

    async def fates(self, keys: Sequence[str]) -> dict[str, Fate]:
        """What becomes of outputs whose time has come: those that an archived job lists are its own."""
        of_jobs = {key: key.split("/")[2] for key in keys if key.startswith(f"{_JOBS}/")}
        archived = await self._archive.get_many(sorted(set(of_jobs.values())), verbose=True)
        fates: dict[str, Fate] = {}
        for key, job_id in of_jobs.items():
            if self._active(job_id) is not None:
                fates[key] = Fate.LATER
            elif job_id in archived:
                listed = job_folder(key) or any(
                    isinstance(file, Mapping) and file.get("path") == key
                    for file in archived[job_id].get("files") or ()
                )
                fates[key] = Fate.KEEP if listed else Fate.DELETE
        return fates

    async def _shares_inputs(self, job: Mapping[str, Any]) -> bool:
        others = [str(job["retry_prev"])] if job.get("retry_prev") else []
        others += [
            str(one.get("id"))
            for one in job.get("jobs") or ()
            if isinstance(one, Mapping) and one.get("reason") == "retry"
        ]
        if any(self._active(other) is not None for other in others):
            return True
        return bool(others and await self._archive.exists(others))


async def store_all(files: Files, expiry: FileExpiry, uploads: Mapping[str, Upload], expires: int) -> None:
    """Store uploads by key, all or none: their expiry first, then their content."""
    await expiry.set(uploads, expires)
    try:
        for key, upload in uploads.items():
            await files.take(key, upload.path)
    except (Exception, asyncio.CancelledError):
        await asyncio.shield(_withdraw(files, expiry, list(uploads)))
        raise


async def _withdraw(files: Files, expiry: FileExpiry, keys: Sequence[str]) -> None:
    try:
        await files.delete(*keys)
        await expiry.forget(keys)
    except Refusal as error:  # they have an expiry
        log.warning("uploads that failed were not removed yet", files=len(keys), error=str(error))


def _without(job: Json, path: str) -> tuple[Json, Json]:
    """The record without the file, and the file. Raises Refusal `job`."""
    outputs = job.get("files") or []
    for file in outputs:
        if isinstance(file, Mapping) and file.get("path") == path:
            return {**job, "files": [one for one in outputs if one is not file]}, dict(file)
    given = job.get("input") if isinstance(job.get("input"), Mapping) else {}
    inputs = (given or {}).get("files") or []
    for file in inputs:
        if isinstance(file, Mapping) and file.get("path") == path:
            if file.get("bucket"):
                raise Refusal("job", f"File belongs to bucket {file['bucket']}: {file.get('filename')}")
            if file.get("ticket"):
                raise Refusal("job", f"File belongs to ticket {file['ticket']}: {file.get('filename')}")
            kept = [one for one in inputs if one is not file]
            return {**job, "input": {**(given or {}), "files": kept}}, dict(file)
    raise Refusal("job", f"File not found in job {job.get('id')}: {display_name(path)}")
