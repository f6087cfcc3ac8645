"""The job's meta log: rows of what happened to it, in `details["activity"]` (contract jobs.md §18)."""

from typing import Any

from conductor.jobs.compose import meta_row
from conductor.live.job import ActiveJob

MAX_ROWS = 1000


def note(job: ActiveJob, host: str, text: str, now: float) -> None:
    """Add a row by this conductor."""
    add(job, meta_row(host, text, now))


def add(job: ActiveJob, *rows: dict[str, Any]) -> None:
    """Add rows that are not there yet; beyond the limit the oldest but the first few go."""
    kept = list(job.details.get("activity") or ())
    known = {row.get("id") for row in kept}
    kept += [row for row in rows if row["id"] not in known]
    if len(kept) > MAX_ROWS:
        kept = kept[:10] + kept[10 - MAX_ROWS :]
    job.set_details(activity=kept)
