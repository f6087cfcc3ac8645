"""How a job ends: code, tags, retry (contract jobs.md §12, §14, §15). Pure."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from conductor.jobs import limits
from conductor.jobs.compose import armed, words
from shared.protocol.updates import DETAIL_KEYS
from shared.schema.jobs import ABORT, CRITICAL, WARNING, succeeded

_NON_WORD = re.compile(r"\W+")

_RETRY_KEEPS = (
    "type", "event", "category", "plugin", "targets", "algo", "workflow", "params", "fields", "parent", "source",
    "username", "icon", "label", "test", "test_actions", "test_limits", "test_conditions", "tags", "invisible",
    "ephemeral", "expression", "priority", "now", "notes", "command", "script", "uid", "gid", "kill", "runner", "env",
)  # fmt: skip
_OF_A_GRAPHS_RUN = frozenset({"state", "jobs", "aborted", "run"})
_DROPPED_AT_END = (
    "remote", "redraw", "status", "until", "procs", "conns", "retry_ok", "position", "push", "abort_reason",
    "suspended", "update_event", "delete_event",
)  # fmt: skip


class Retry(NamedTuple):
    """The job is to run again under a new ID, after `delay` seconds."""

    number: int
    delay: float


def normal_code(code: Any) -> int | float | str:
    """Falsy is 0; text becomes a lower-case word; what is neither number nor text is `unknown`."""
    if not code:
        return 0
    if isinstance(code, bool) or not isinstance(code, int | float | str):
        return "unknown"
    if isinstance(code, float) and not math.isfinite(code):
        return "unknown"
    return _NON_WORD.sub("_", code).lower() if isinstance(code, str) else code


def retry(job: Mapping[str, Any]) -> Retry | None:
    """Whether the ended job is tried again; aborts only where `retry_ok` says so."""
    code = job.get("code")
    if succeeded(code) or (code == ABORT and not job.get("retry_ok")):
        return None
    limit = limits.first(job, "retry")
    count = int(limits.number(job.get("retry_count")))
    if limit is None or count >= limits.amount(limit):
        return None
    return Retry(count + 1, limits.number(limit.get("duration")))


def conditions(job: Mapping[str, Any]) -> list[str]:
    """The conditions that an ended job fires, in order (contract actions.md §2); tags as they stand now."""
    code = job.get("code")
    fired = ["complete", "success"] if succeeded(code) else ["complete", "error"]
    if not succeeded(code):
        fired.append(code if code in (WARNING, CRITICAL, ABORT) else "user")
    return [*fired, *(f"tag:{tag}" for tag in words(job.get("tags")))]


def retried_job(
    job: Mapping[str, Any], details: Mapping[str, Any], plan: Retry, job_id: str, now: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The new attempt as (job, details): what the launch gave, limits armed again, nothing of the run."""
    new = {key: job[key] for key in _RETRY_KEEPS if key in job}
    new.update(
        id=job_id,
        state="retry_delay" if plan.delay else "ready",
        started=now,
        retry_count=plan.number,
        retry_prev=job["id"],
        log_file_size=0,
        tags=[tag for tag in job.get("tags") or () if not tag.startswith("_")],
        limits=armed(job.get("limits")),
        actions=armed(job.get("actions")),
    )
    if isinstance(workflow := new.get("workflow"), dict):  # a workflow begins anew
        new["workflow"] = {key: value for key, value in workflow.items() if key not in _OF_A_GRAPHS_RUN}
    if plan.delay:
        new["until"] = now + plan.delay
    kept = {key: details[key] for key in ("input", "workflowData") if key in details}
    return new, kept


def final_tags(job: Mapping[str, Any], known: Sequence[str], *, retried: bool, files: bool) -> list[str]:
    """Of the job's known tags those within its tag limit, then the system's."""
    limit = limits.first(job, "tag")
    tags = list(known) if limit is None else list(known[: max(int(limits.amount(limit)), 0)])
    tags.append("_success" if succeeded(job.get("code")) else "_error")
    tags.append("_retried" if retried else "_last")
    if job.get("test"):
        tags.append("_test")
    if files:
        tags.append("_files")
    return list(dict.fromkeys(tags))


def record(job: Mapping[str, Any], details: Mapping[str, Any]) -> dict[str, Any]:
    """The stored record: summary and details in one, without what only a running job has."""
    merged = {**details, **job, "final": True, "state": "complete", "complete": True, "progress": 1}
    for key in _DROPPED_AT_END:
        merged.pop(key, None)
    return merged


def split(update: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An update's properties of the summary, and those of the details."""
    summary = {key: value for key, value in update.items() if key not in DETAIL_KEYS}
    details = {key: update[key] for key in DETAIL_KEYS if key in update}
    return summary, details
