"""Reading jobs: one, and several (contract api/jobs.yaml)."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import DefinitionId, Encoded, Endpoint
from conductor.api.job_tokens import JobTokens
from conductor.api.office import Office
from conductor.errors import BadParameter, NotFound
from conductor.jobs import outlook
from conductor.live.job import ActiveJob
from conductor.records.job_archive import HEAVY, JobArchive
from conductor.settings import Settings
from shared import clock

_MAX_IDS = 1000


class GetJob(msgspec.Struct, kw_only=True):
    id: DefinitionId
    remove: list[str] | str = ""
    """Top-level properties to leave out; a list or comma-separated."""


class GetJobs(msgspec.Struct, kw_only=True):
    ids: list[str] | str = ""
    verbose: bool | int | str = False


def merged(job: ActiveJob) -> dict[str, Any]:
    """An active job as one document: summary and details."""
    return {**job.details, **job.job}


def endpoints(office: Office, archive: JobArchive, settings: Settings) -> tuple[Endpoint[Any], ...]:
    links = JobTokens(settings)

    async def get_job(call: Call, params: GetJob) -> Mapping[str, Any] | Encoded:
        active = office.engine.book.get(params.id)
        token = links.log(params.id)
        removed = _words(params.remove)
        if active is not None:
            call.account.require_job(active.job)
            job = _without(merged(active), removed)
            left = outlook.seconds_left(active.job, clock.now())
            return {"job": job if left is None else {**job, "eta": left}, "token": token}
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

    return (
        Endpoint(name="get_job", handler=get_job, params=GetJob, summary="One job, active or ended."),
        Endpoint(
            name="get_jobs", handler=get_jobs, params=GetJobs, summary="Several jobs in the order asked for."
        ),
    )


def _words(value: Sequence[str] | str) -> list[str]:
    words = value.split(",") if isinstance(value, str) else value
    return [word.strip() for word in words if isinstance(word, str) and word.strip()]


def _without(job: Mapping[str, Any], names: Sequence[str] | frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in job.items() if key not in names}
