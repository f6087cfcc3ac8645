"""Jobs: lists, single jobs, abort, delete (contract api/jobs.yaml)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.criteria import matches_criteria
from conductor.api.endpoint import Encoded, Endpoint
from conductor.api.office import Office
from conductor.errors import BadParameter, NotFound, Refusal
from conductor.jobs import limits
from conductor.jobs.deletion import Deletion
from conductor.live.book import ActiveJob
from conductor.records.job_archive import HEAVY, JobArchive
from conductor.settings import Settings
from shared.protocol import tokens

_PAGING = frozenset({"offset", "limit", "sort_by", "sort_dir"})
_MAX_IDS = 1000


class JobId(msgspec.Struct, kw_only=True):
    id: str


class GetJob(JobId, kw_only=True):
    remove: list[str] | str = ""
    """Top-level properties to leave out; a list or comma-separated."""


class GetJobs(msgspec.Struct, kw_only=True):
    ids: list[str] | str = ""
    verbose: bool | int | str = False


class ActiveJobs(msgspec.Struct, kw_only=True):
    """Every other parameter is a criterion on a property of the job."""

    offset: int = 0
    limit: int = 0
    sort_by: str = "started"
    sort_dir: int = -1


class Rows(msgspec.Struct, kw_only=True):
    rows: list[dict[str, Any]]
    list: dict[str, int]


def merged(job: ActiveJob) -> dict[str, Any]:
    """An active job as one document: summary and details."""
    return {**job.details, **job.job}


def endpoints(
    office: Office, archive: JobArchive, deletion: Deletion, settings: Settings
) -> tuple[Endpoint[Any], ...]:
    async def get_active_jobs(call: Call, params: ActiveJobs) -> Mapping[str, Any]:
        criteria = {key: value for key, value in call.params.items() if key not in _PAGING}
        jobs = [
            job.job
            for job in office.engine.book
            if call.account.sees_job(job.job) and matches_criteria(job.job, criteria)
        ]
        jobs.sort(
            key=lambda job: (limits.number(job.get(params.sort_by)), job["id"]), reverse=params.sort_dir < 0
        )
        offset = max(params.offset, 0)
        page = jobs[offset : offset + params.limit] if params.limit > 0 else jobs[offset:]
        return {"rows": page, "list": {"length": len(jobs)}}

    async def get_job(call: Call, params: GetJob) -> Mapping[str, Any] | Encoded:
        active = office.engine.book.get(params.id)
        token = tokens.log_token(params.id, settings.secret_key)
        removed = _words(params.remove)
        if active is not None:
            call.account.require_job(active.job)
            return {"job": _without(merged(active), removed), "token": token}
        encoded = await archive.get_json(params.id)
        if encoded is None:
            raise NotFound(f"Failed to locate job: {params.id}")
        if call.account.limited or removed:
            job = msgspec.json.decode(encoded)
            call.account.require_job(job)
            return {"job": _without(job, removed), "token": token}
        return Encoded(b'{"code":0,"job":%b,"token":"%b"}' % (encoded, token.encode()))

    async def get_jobs(call: Call, params: GetJobs) -> Mapping[str, Any]:
        wanted = _words(params.ids)
        if not wanted:
            raise BadParameter("Missing parameter: ids")
        if len(wanted) > _MAX_IDS:
            raise BadParameter(f"Too many ids (most is {_MAX_IDS})")
        verbose = params.verbose not in (False, 0, "", "0", "false")
        book = office.engine.book
        found = {job_id: merged(active) for job_id in wanted if (active := book.get(job_id))}
        found |= await archive.get_many([job_id for job_id in wanted if job_id not in found], verbose=True)
        rows: list[dict[str, Any]] = []
        for job_id in wanted:
            job = found.get(job_id)
            if job is None or not call.account.sees_job(job):
                rows.append({"err": f"Failed to locate job: {job_id}"})
            else:
                rows.append(job if verbose else _without(job, HEAVY))
        return {"jobs": rows}

    async def abort_job(call: Call, params: JobId) -> Mapping[str, Any]:
        active = office.engine.book.get(params.id)
        if active is None:
            raise Refusal("job", f"No active job found with ID: {params.id}")
        call.account.require_job(active.job)
        account = call.account
        who = f"by API Key: {account.title}" if account.kind == "api_key" else f"by user: {account.name}"
        office.engine.abort(params.id, f"Manually aborted {who}", call.actor)
        return {}

    async def delete_job(call: Call, params: JobId) -> Mapping[str, Any]:
        if params.id in office.engine.book:
            raise Refusal("job", f"Job is still active: {params.id}")
        job = await archive.get(params.id)
        if job is None:
            raise Refusal("job", f"Job not found: {params.id}")
        call.account.require_job(job)
        await deletion.delete(params.id, call.actor, call.correlation_id)
        return {}

    return (
        Endpoint(
            name="get_active_jobs",
            handler=get_active_jobs,
            params=ActiveJobs,
            result=Rows,
            summary="Jobs that have not ended, by criteria.",
        ),
        Endpoint(name="get_job", handler=get_job, params=GetJob, summary="One job, active or ended."),
        Endpoint(
            name="get_jobs", handler=get_jobs, params=GetJobs, summary="Several jobs in the order asked for."
        ),
        Endpoint(
            name="abort_job",
            handler=abort_job,
            params=JobId,
            summary="End a job before its time.",
            privilege="abort_jobs",
            mutates=True,
        ),
        Endpoint(
            name="delete_job",
            handler=delete_job,
            params=JobId,
            summary="Delete an ended job with its log.",
            privilege="delete_jobs",
            mutates=True,
        ),
    )


def _words(value: Sequence[str] | str) -> list[str]:
    words = value.split(",") if isinstance(value, str) else value
    return [word.strip() for word in words if isinstance(word, str) and word.strip()]


def _without(job: Mapping[str, Any], names: Sequence[str] | frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key not in names}
