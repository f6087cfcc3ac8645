"""Jobs as calls about one name them: an active one, or one that has ended, and the caller's right to it."""

from collections.abc import Mapping
from typing import Any

from conductor.api.call import Call
from conductor.api.office import Office
from conductor.errors import Refusal
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive


class JobLookup:
    """Each method raises Refusal: `job` for what is in no such state, `access` for what is not the caller's."""

    def __init__(self, office: Office, archive: JobArchive) -> None:
        self._office = office
        self._archive = archive

    def active(self, call: Call, job_id: str) -> ActiveJob:
        job = self._office.engine.book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        call.account.require_job(job.job)
        return job

    async def ended(self, call: Call, job_id: str) -> Mapping[str, Any]:
        """Its record."""
        if (active := self._office.engine.book.get(job_id)) is not None:
            call.account.require_job(active.job)
            raise Refusal("job", f"Job is still active: {job_id}")
        record = await self._archive.get(job_id)
        if record is None:
            raise Refusal("job", f"Job not found: {job_id}")
        call.account.require_job(record)
        return record
