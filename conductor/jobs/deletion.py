"""Deleting ended jobs with everything that is theirs (contract jobs.md §23)."""

from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from conductor.announcer import Signals
from conductor.definitions.state import GlobalState
from conductor.errors import Unavailable
from conductor.jobs.finisher import log_key
from conductor.jobs.totals import Totals
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.signals import Actor, JobDeleted

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
        self,
        archive: JobArchive,
        files: Files,
        signals: Signals,
        state: GlobalState | None = None,
        timezone: str = "",
        of_jobs: FilesOfJobs | None = None,
    ) -> None:
        """`state` holds the events' counters of today, from which deleted jobs are taken.

        Without `of_jobs` a job's outputs alone go with it.
        """
        self._of_jobs = of_jobs
        self._archive = archive
        self._files = files
        self._signals = signals
        self._state = state
        self._totals = Totals(state, timezone) if state is not None else None

    async def delete(self, job_id: str, actor: Actor, correlation_id: str = "") -> None:
        """Record first, so that nobody finds a job whose log has gone; then log and output files.

        A workflow's sub-jobs go before it; of a sub-job its parent keeps a stub that says so.
        """
        record = await self._archive.get(job_id)
        for child in _sub_jobs(record or {}):
            await self._delete(child, await self._archive.get(child), actor, correlation_id)
        await self._delete(job_id, record, actor, correlation_id)
        await self._mark_stub(record or {})

    async def _delete(
        self, job_id: str, record: Mapping[str, Any] | None, actor: Actor, correlation_id: str
    ) -> None:
        if self._of_jobs is not None:
            await self._of_jobs.condemn(job_id)
        story = record or {}
        deleted = JobDeleted(
            job_id=job_id,
            actor=actor,
            correlation_id=correlation_id or str(story.get("correlation_id") or ""),
            category=str(story.get("category") or ""),
            groups=tuple(map(str, story.get("groups") or ())),
        )
        if await self._archive.delete(job_id, self._signals.events(deleted)) and record is not None:
            await self._count_out(record)
        await self._files.delete(log_key(job_id))
        if self._of_jobs is not None:
            await self._of_jobs.delete_of_job(record or {"id": job_id})
        else:
            await self._files.delete_under(f"files/jobs/{job_id}")
        self._signals.publish_logged(deleted)

    async def retain(self, most: int, actor: Actor) -> int:
        """Delete the oldest ended jobs until no more than `most` are left; how many went. For the upkeep at night."""
        count = 0
        while True:
            page = await self._archive.search("*", limit=_PAGE, sort_by="_id", sort_dir=1, select=["id"])
            rows = [str(row["id"]) for row in page.rows if isinstance(row, dict)]
            surplus = rows[: max(page.total - most, 0)]
            if not surplus:
                return count
            for job_id in surplus:
                await self.delete(job_id, actor)
                count += 1

    async def delete_of_event(self, event_id: str, actor: Actor) -> None:
        """Every ended job of an event, oldest first. What a death interrupts stays and can be deleted later."""
        count = 0
        try:
            while ids := await self._oldest(event_id):
                for job_id in ids:
                    await self.delete(job_id, actor)
                count += len(ids)
        except Unavailable as error:
            log.warning("deleting an event's jobs was broken off", event_id=event_id, error=str(error))
        log.info("jobs of an event deleted", event_id=event_id, jobs=count)

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

    async def _count_out(self, record: Mapping[str, Any]) -> None:
        """A job of today is taken from its event's counters of today."""
        change = self._totals.without(record) if self._totals else None
        if change is not None and self._state is not None:
            await self._state.revise(f"events/{record['event']}", change)

    async def _mark_stub(self, record: Mapping[str, Any]) -> None:
        workflow = record.get("workflow")
        parent_id = workflow.get("job") if isinstance(workflow, dict) else None
        parent = await self._archive.get(str(parent_id)) if parent_id else None
        graph = parent.get("workflow") if parent else None
        if parent is None or not isinstance(graph, dict) or not isinstance(graph.get("jobs"), dict):
            return
        jobs = {
            node: [{**stub, "deleted": True} if stub.get("id") == record["id"] else stub for stub in stubs]
            for node, stubs in graph["jobs"].items()
        }
        if jobs != graph["jobs"]:
            await self._archive.replace({**parent, "workflow": {**graph, "jobs": jobs}})


def _sub_jobs(record: Mapping[str, Any]) -> list[str]:
    """IDs of a workflow job's ended sub-jobs."""
    workflow = record.get("workflow")
    jobs = workflow.get("jobs") if isinstance(workflow, dict) else None
    if not isinstance(jobs, dict):
        return []
    return [
        str(stub["id"])
        for stubs in jobs.values()
        for stub in (stubs if isinstance(stubs, list) else ())
        if isinstance(stub, dict) and stub.get("id") and not stub.get("deleted")
    ]
