"""Results that come after their job was archived (contract jobs.md §11, satellite_protocol.md §6.2).

A job whose satellite was away may have been ended as aborted and then turn out to have run. Its record then
becomes a warning that says so, with what the satellite delivered. Every other end came from the satellite
itself, so that a result that comes again is a repetition and changes nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

import structlog

from conductor.jobs import content
from conductor.jobs.compose import meta_row
from conductor.jobs.outcome import normal_code, split
from conductor.jobs.output_files import with_own_files
from conductor.logs import Once
from conductor.records.job_archive import JobArchive
from shared import clock
from shared.protocol.updates import SATELLITE_KEYS, allowed
from shared.schema.jobs import ABORT, WARNING

DESCRIPTION = "Job was aborted, but received late update after completion."
_ROW = "WARNING: Received final job update post-completion."
_DECIDED = (
    "state",
    "code",
    "description",
    "complete",
    "progress",
    "push",
    "retry_ok",
    "update_event",
    "delete_event",
)
"""What the record keeps as it was decided."""
_OF_THE_RUN = ("status", "redraw", "procs", "conns")

_ID = re.compile("[a-z0-9_]+")

log = structlog.get_logger(__name__)


def is_late(record: Mapping[str, Any], result: Mapping[str, Any]) -> bool:
    """Whether a result tells of another end than the abort that is archived."""
    return record.get("code") == ABORT and normal_code(result.get("code")) != ABORT


class LateResults:
    def __init__(self, archive: JobArchive, host: str, base_url: str = "") -> None:
        self._archive = archive
        self._host = host
        self._base_url = base_url
        self._first = Once()

    async def lacks_log(self, server_id: str, job_id: str, size: int) -> bool:
        """Whether a job was archived as aborted with another log than the `size` bytes its satellite holds."""
        record = await self._archive.get(job_id) if _ID.fullmatch(job_id) else None
        if record is None or record.get("server") != server_id or record.get("code") != ABORT:
            return False
        return bool(size) and size != record.get("log_file_size")

    async def take(
        self, server_id: str, job_id: str, result: Mapping[str, Any], kept: Mapping[str, Any] | None = None
    ) -> bool:
        """Merge a result into its archived job; whether the archive has such a job at all.

        An empty `server_id` is a caller who may speak for any. `kept`: what the record has to say of a log
        that came with it. Raises Unavailable.
        """
        record = await self._archive.get(job_id) if _ID.fullmatch(job_id) else None
        if record is None:
            return False
        if server_id and record.get("server") != server_id:
            if self._first(server_id):
                log.warning(
                    "a late result from a server that did not run the job", job=job_id, server=server_id
                )
        elif is_late(record, result):
            await self._archive.replace(_with_log(self._merged(record, result), kept))
            log.warning("a job that was archived as aborted has ended after all", job=job_id)
        elif kept:
            await self._archive.replace(_with_log(record, kept))
        return True

    def _merged(self, record: Mapping[str, Any], result: Mapping[str, Any]) -> dict[str, Any]:
        delivered = allowed(result, SATELLITE_KEYS)
        for key in (*_DECIDED, *_OF_THE_RUN):
            delivered.pop(key, None)
        content.render(delivered, record, self._base_url)
        summary, details = split(delivered)
        details = with_own_files(details, str(record["id"]))
        row = meta_row(self._host, _ROW, clock.now())
        return {
            **record,
            **details,
            **summary,
            "code": WARNING,
            "description": DESCRIPTION,
            "activity": [*(record.get("activity") or ()), row],
        }


def _with_log(record: Mapping[str, Any], kept: Mapping[str, Any] | None) -> dict[str, Any]:
    """The record with a log in place of what it had; a large one is in the object store."""
    changed = {**record, **(kept or {})}
    if changed.get("output") is None:
        changed.pop("output", None)
    return changed
