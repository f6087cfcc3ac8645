"""Active jobs: the list, and the two summaries of it (contract api/jobs.yaml)."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.criteria import loosely_equal
from conductor.api.endpoint import Endpoint, NoParams
from conductor.api.office import Office
from conductor.jobs import limits
from conductor.jobs.compose import words

_PAGING = frozenset({"offset", "limit", "sort_by", "sort_dir"})

Json = dict[str, Any]


class ActiveJobs(msgspec.Struct, kw_only=True):
    """Every other parameter is a criterion on a property of the job, deep ones as `workflow.job`."""

    offset: int = 0
    limit: int = 0
    sort_by: str = "started"
    sort_dir: int = -1


class Rows(msgspec.Struct, kw_only=True):
    rows: list[dict[str, Any]]
    list: dict[str, int]


class Events(msgspec.Struct, kw_only=True):
    events: dict[str, dict[str, Any]]


class Nodes(msgspec.Struct, kw_only=True):
    nodes: dict[str, int]


def endpoints(office: Office) -> tuple[Endpoint[Any], ...]:
    def matching(call: Call, ignored: frozenset[str] = frozenset()) -> Iterator[Json]:
        """The active jobs that the caller may see and asks for."""
        criteria = {key: value for key, value in call.params.items() if key not in ignored}
        event = criteria.get("event")
        book = office.engine.book
        for active in book.of_event(event) if isinstance(event, str) else list(book):
            if call.account.sees_job(active.job) and _matches(active.job, criteria):
                yield active.job

    async def get_active_jobs(call: Call, params: ActiveJobs) -> Mapping[str, Any]:
        jobs = sorted(
            matching(call, _PAGING),
            key=lambda job: (limits.number(job.get(params.sort_by)), job["id"]),
            reverse=params.sort_dir < 0,
        )
        offset = max(params.offset, 0)
        page = jobs[offset : offset + params.limit] if params.limit > 0 else jobs[offset:]
        return {"rows": page, "list": {"length": len(jobs)}}

    async def get_active_job_summary(call: Call, params: NoParams) -> Mapping[str, Any]:
        states: dict[str, Counter[str]] = {}
        sources: dict[str, Counter[str]] = {}
        targets: dict[str, Counter[str]] = {}
        for job in matching(call, _PAGING):
            if job.get("type") == "adhoc":
                continue
            event = str(job.get("event") or "")
            states.setdefault(event, Counter())[str(job["state"])] += 1
            sources.setdefault(event, Counter())[str(job.get("source") or "unknown")] += 1
            targets.setdefault(event, Counter()).update(words(job.get("targets")))
        return {
            "events": {
                event: {
                    "id": event,
                    "states": counted,
                    "sources": sources[event],
                    "targets": targets[event],
                }
                for event, counted in states.items()
            }
        }

    async def get_workflow_job_summary(call: Call, params: NoParams) -> Mapping[str, Any]:
        nodes: Counter[str] = Counter()
        for job in matching(call, _PAGING):
            workflow = job.get("workflow")
            if isinstance(workflow, dict) and workflow.get("node"):
                nodes[str(workflow["node"])] += 1
        return {"nodes": nodes}

    return (
        Endpoint(
            name="get_active_jobs",
            handler=get_active_jobs,
            params=ActiveJobs,
            result=Rows,
            summary="Jobs that have not ended, by criteria.",
        ),
        Endpoint(
            name="get_active_job_summary",
            handler=get_active_job_summary,
            params=NoParams,
            result=Events,
            summary="How many jobs of each event are active, by state, source and target.",
        ),
        Endpoint(
            name="get_workflow_job_summary",
            handler=get_workflow_job_summary,
            params=NoParams,
            result=Nodes,
            summary="How many sub-jobs of each workflow node are active.",
        ),
    )


def _matches(job: Mapping[str, Any], criteria: Mapping[str, Any]) -> bool:
    return all(loosely_equal(_at(job, path), wanted) for path, wanted in criteria.items())


def _at(job: Mapping[str, Any], path: str) -> Any:
    """A property, or a deep one such as `workflow.job` or `workflow/job`."""
    if path in job:
        return job[path]
    value: Any = job
    for step in path.replace("/", ".").split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(step)
    return value
