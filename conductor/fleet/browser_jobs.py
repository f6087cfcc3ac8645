"""A job's page: its output, notes and changes as they come, for the browsers that show it.

Contract satellite_protocol.md §10.3, page `Job?id=`. One task follows a job while somebody shows it.
"""

import asyncio
import codecs
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from conductor.jobs.engine import JobEngine
from conductor.live.job import ActiveJob

_LEAST_SECONDS, _MOST_SECONDS = 0.1, 1.0
_PART_BYTES = 64 * 1024
"""Of output in one event; what is beyond it comes with the next ones."""

log = structlog.get_logger(__name__)

Tell = Callable[[Mapping[str, Any], str, str, Any], None]
"""(the job, its ID, page_cmd, page_data): to those who show the job and may see it."""


async def follow_job(engine: JobEngine, job_id: str, shown: Callable[[str], bool], tell: Tell) -> None:
    """Tell of the job until it has ended or nobody shows it any more."""
    with engine.followers.follow(job_id) as follower:
        job = engine.book.get(job_id)
        if job is None:
            return
        watch = _Watch(engine, job, tell)
        while shown(job_id) and not follower.over:
            await follower.changed(_MOST_SECONDS)
            await asyncio.sleep(_LEAST_SECONDS)
            if job_id in engine.book:
                watch.tell_changes()
        if follower.record is not None:
            tell(job.job, job_id, "job_completed", {})


class _Watch:
    def __init__(self, engine: JobEngine, job: ActiveJob, tell: Tell) -> None:
        self._engine = engine
        self._job = job
        self._tell = tell
        self._told = dict(job.job)
        self._rows = {row.get("id") for row in job.details.get("activity") or ()}
        self._offset = engine.logs.size(job.id)
        self._text = codecs.getincrementaldecoder("utf-8")("replace")

    def tell_changes(self) -> None:
        job = self._job
        size = self._engine.logs.size(job.id)
        if size > self._offset:
            part = self._engine.logs.part(job.id, self._offset, min(size - self._offset, _PART_BYTES))
            self._offset += len(part)
            if text := self._text.decode(part):
                self._tell(job.job, job.id, "log_append", {"text": text})
        for row in job.details.get("activity") or ():
            if row.get("id") not in self._rows:
                self._rows.add(row.get("id"))
                self._tell(job.job, job.id, "meta_row", row)
        changed = {key: value for key, value in job.job.items() if self._told.get(key) != value}
        if changed:
            self._told = dict(job.job)
            self._tell(job.job, job.id, "job_updated", changed)
