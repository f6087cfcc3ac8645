"""Changing jobs: abort, resume, delays, notices, tags, tickets, corrections, deletion (contract api/jobs.yaml)."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, Takes
from conductor.api.office import Office
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, Refusal
from conductor.jobs.compose import words
from conductor.jobs.deletion import Deletion
from conductor.jobs.lines import parent_of
from conductor.jobs.macros import RESERVED_OVERRIDE_TARGET
from conductor.live.job import ActiveJob
from conductor.records.job_archive import JobArchive

EmailOf = Callable[[str], str]
"""A user's address; empty for one who has none."""


class JobId(msgspec.Struct, kw_only=True):
    id: DefinitionId


class ResumeJob(JobId, kw_only=True):
    params: dict[str, Any] | None = None
    """Merged into the job's parameters, if it has not run yet."""
    redirect: str = ""
    """Workflow sub-jobs: the node that follows instead of its wires."""


class JobTags(JobId, kw_only=True):
    tags: list[str]


class JobTickets(JobId, kw_only=True):
    tickets: list[str]


class EventId(msgspec.Struct, kw_only=True):
    id: DefinitionId
    """Of the event whose queue is emptied."""


class Toggled(msgspec.Struct, kw_only=True):
    enabled: bool


class Flushed(msgspec.Struct, kw_only=True):
    count: int


def endpoints(
    office: Office, archive: JobArchive, deletion: Deletion, definitions: Definitions, email_of: EmailOf
) -> tuple[Endpoint[Any], ...]:
    def active_job(call: Call, job_id: str) -> ActiveJob:
        """Raises Refusal (`job`, `access`)."""
        job = office.engine.book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        call.account.require_job(job.job)
        return job

    async def stored_job(call: Call, job_id: str) -> Mapping[str, Any]:
        """Raises Refusal (`job`, `access`)."""
        if (active := office.engine.book.get(job_id)) is not None:
            call.account.require_job(active.job)
            raise Refusal("job", f"Job is still active: {job_id}")
        record = await archive.get(job_id)
        if record is None:
            raise Refusal("job", f"Job not found: {job_id}")
        call.account.require_job(record)
        return record

    async def abort_job(call: Call, params: JobId) -> Mapping[str, Any]:
        active_job(call, params.id)
        account = call.account
        who = f"by API Key: {account.title}" if account.kind == "api_key" else f"by user: {account.name}"
        office.engine.abort(params.id, f"Manually aborted {who}", call.actor)
        return {}

    async def resume_job(call: Call, params: ResumeJob) -> Mapping[str, Any]:
        active_job(call, params.id)
        if targets := (params.params or {}).get(RESERVED_OVERRIDE_TARGET):
            call.account.require_targets(words(targets))
        await office.engine.resuming.resume(
            params.id,
            call.actor,
            params=params.params,
            redirect=params.redirect,
            correlation_id=call.correlation_id,
        )
        return {}

    async def job_skip_delay(call: Call, params: JobId) -> Mapping[str, Any]:
        await office.engine.upkeep.skip_delay(active_job(call, params.id), call.actor)
        return {}

    async def job_toggle_notify_me(call: Call, params: JobId) -> Mapping[str, Any]:
        job = active_job(call, params.id)
        email = email_of(call.account.name) if call.account.kind == "user" else ""
        if not email:
            raise Refusal("job", "Your account has no e-mail address.")
        return {"enabled": await office.engine.upkeep.toggle_notice(job, email, call.actor)}

    async def update_job(call: Call, params: JobId) -> Mapping[str, Any]:
        changes = {key: value for key, value in call.params.items() if key != "id"}
        if not changes:
            raise BadParameter("Missing parameter: nothing to update")
        upkeep, active = office.engine.upkeep, office.engine.book.get(params.id)
        if active is not None:
            await upkeep.update_active(active, changes, call.actor, call.correlation_id)
        else:
            await upkeep.update_stored(params.id, changes, call.actor, call.correlation_id)
        return {}

    async def manage_job_tags(call: Call, params: JobTags) -> Mapping[str, Any]:
        return await manage(call, params.id, "tags", params.tags)

    async def manage_job_tickets(call: Call, params: JobTickets) -> Mapping[str, Any]:
        return await manage(call, params.id, "tickets", params.tickets)

    async def manage(call: Call, job_id: str, key: str, listed: list[str]) -> Mapping[str, Any]:
        if more := sorted(call.params.keys() - {"id", key}):
            raise Refusal("job", f"Too many properties: {', '.join(more)}")
        await stored_job(call, job_id)
        await office.engine.upkeep.manage(job_id, key, listed, call.actor, call.correlation_id)
        return {}

    async def delete_job(call: Call, params: JobId) -> Mapping[str, Any]:
        record = await stored_job(call, params.id)
        parent = parent_of(record)
        if parent in office.engine.book:
            raise Refusal("job", f"The job's workflow is still active: {parent}")
        await deletion.delete(params.id, call.actor, call.correlation_id)
        return {}

    async def flush_event_queue(call: Call, params: EventId) -> Mapping[str, Any]:
        event = definitions.get("events", params.id)
        if event is None:
            raise Refusal("event", f"Event not found: {params.id}")
        call.account.require_event(event)
        return {"count": await office.engine.queues.flush(params.id, call.actor, call.correlation_id)}

    return (
        Endpoint(
            name="abort_job",
            handler=abort_job,
            params=JobId,
            summary="End a job before its time.",
            privilege="abort_jobs",
            mutates=True,
        ),
        Endpoint(
            name="resume_job",
            handler=resume_job,
            params=ResumeJob,
            summary="Let a suspended job go on.",
            privilege="run_jobs",
            mutates=True,
        ),
        Endpoint(
            name="job_skip_delay",
            handler=job_skip_delay,
            params=JobId,
            summary="Start a delayed job now.",
            privilege="run_jobs",
            takes=Takes.BODY,
            methods=("POST",),
            mutates=True,
        ),
        Endpoint(
            name="job_toggle_notify_me",
            handler=job_toggle_notify_me,
            params=JobId,
            result=Toggled,
            summary="Turn an e-mail to the caller at the end of a job on, or off again.",
            takes=Takes.BODY,
            methods=("POST",),
            mutates=True,
        ),
        Endpoint(
            name="update_job",
            handler=update_job,
            params=JobId,
            summary="Correct properties of a job, running or ended.",
            auth=Auth.ADMIN,
            takes=Takes.BODY,
            methods=("POST",),
            mutates=True,
        ),
        Endpoint(
            name="manage_job_tags",
            handler=manage_job_tags,
            params=JobTags,
            summary="Replace the tags of an ended job.",
            privilege="tag_jobs",
            takes=Takes.BODY,
            methods=("POST",),
            mutates=True,
        ),
        Endpoint(
            name="manage_job_tickets",
            handler=manage_job_tickets,
            params=JobTickets,
            summary="Replace the tickets of an ended job.",
            privilege="edit_tickets",
            takes=Takes.BODY,
            methods=("POST",),
            mutates=True,
        ),
        Endpoint(
            name="delete_job",
            handler=delete_job,
            params=JobId,
            summary="Delete an ended job with its log; a workflow's with its sub-jobs.",
            privilege="delete_jobs",
            mutates=True,
        ),
        Endpoint(
            name="flush_event_queue",
            handler=flush_event_queue,
            params=EventId,
            result=Flushed,
            summary="Remove an event's queued jobs.",
            privilege="abort_jobs",
            mutates=True,
        ),
    )
