"""Deleting ended jobs with everything that is theirs (contract jobs.md §23)."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from conductor.errors import Unavailable
from conductor.jobs.finisher import log_key
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.signals import Actor, JobDeleted, Signals

_PAGE = 100

log = structlog.get_logger(__name__)


class FilesOfJobs(Protocol):
    """Who keeps jobs' files. Filled by `filing.job_files`."""

    async def condemn(self, job_id: str) -> None:
        """The record is about to go: whatever dies now, the job's files and its log go one day too."""
        ...

    async def delete_of_job(self, job: Mapping[str, Any]) -> None: ...


class Deletion:
    def __init__(
        self, archive: JobArchive, files: Files, signals: Signals, of_jobs: FilesOfJobs | None = None
    ) -> None:
        """Without `of_jobs` a job's outputs alone go with it."""
        self._of_jobs = of_jobs
        self._archive = archive
        self._files = files
        self._signals = signals

    async def delete(self, job_id: str, actor: Actor, correlation_id: str = "") -> None:
        """Record first, so that nobody finds a job whose log has gone; then log and files."""
        job = await self._archive.get(job_id) or {"id": job_id}
        if self._of_jobs is not None:
            await self._of_jobs.condemn(job_id)
        await self._archive.delete(job_id)
        await self._files.delete(log_key(job_id))
        if self._of_jobs is not None:
            await self._of_jobs.delete_of_job(job)
        else:
            await self._files.delete_under(f"files/jobs/{job_id}")
        self._signals.publish(JobDeleted(job_id=job_id, actor=actor, correlation_id=correlation_id))

    async def delete_of_event(self, event_id: str, actor: Actor) -> None:
        """Every ended job of an event, oldest first. What a death interrupts stays and can be deleted later."""
        count = 0
        try:
            while ids := await self._oldest(event_id):
                for job_id in ids:
                    await self.delete(job_id, actor)
                count += len(ids)
        except Unavailable as error:
            log.warning("deleting an event's jobs was broken off", event=event_id, error=str(error))
        log.info("jobs of an event deleted", event=event_id, jobs=count)

    async def _oldest(self, event_id: str) -> list[str]:
        page = await self._archive.search(
            f"event:{event_id}",
            offset=0,
            limit=_PAGE,
            sort_by="_id",
            sort_dir=1,
            restriction=None,
            select=["id"],
        )
        return [str(row["id"]) for row in page.rows if isinstance(row, dict)]
