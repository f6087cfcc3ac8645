"""Changing jobs: abort, resume, delays, notices, tags, tickets, corrections, deletion (contract api/jobs.yaml)."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from conductor.api.call import Call
from conductor.api.endpoint import Auth, DefinitionId, Endpoint, Takes
from conductor.api.job_lookup import JobLookup
from conductor.api.office import Office
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, Refusal
from conductor.jobs.compose import words
from conductor.jobs.deletion import Deletion
from conductor.jobs.lines import parent_of
from conductor.jobs.macros import RESERVED_OVERRIDE_TARGET
from conductor.records.job_archive import JobArchive

EmailOf = Callable[[str], str]
"""A user's address; empty for one who has none."""
Answer = Mapping[str, Any]

_changing: Callable[..., Endpoint[Any]] = partial(Endpoint, mutates=True)
_posted: Callable[..., Endpoint[Any]] = partial(_changing, takes=Takes.BODY, methods=("POST",))


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


class JobControl:
    """The handlers, and the endpoints that lead to them."""

    def __init__(
        self,
        office: Office,
        archive: JobArchive,
        deletion: Deletion,
        definitions: Definitions,
        email_of: EmailOf,
    ) -> None:
        self._office = office
        self._jobs = JobLookup(office, archive)
        self._deletion = deletion
        self._definitions = definitions
        self._email_of = email_of

    async def abort_job(self, call: Call, params: JobId) -> Answer:
        self._jobs.active(call, params.id)
        account = call.account
        who = f"by API Key: {account.title}" if account.kind == "api_key" else f"by user: {account.name}"
        self._office.engine.abort(params.id, f"Manually aborted {who}", call.actor)
        return {}

    async def resume_job(self, call: Call, params: ResumeJob) -> Answer:
        self._jobs.active(call, params.id)
        if targets := (params.params or {}).get(RESERVED_OVERRIDE_TARGET):
            call.account.require_targets(words(targets))
        await self._office.engine.resuming.resume(
            params.id,
            call.actor,
            params=params.params,
            redirect=params.redirect,
            correlation_id=call.correlation_id,
        )
        return {}

    async def job_skip_delay(self, call: Call, params: JobId) -> Answer:
        await self._office.engine.upkeep.skip_delay(self._jobs.active(call, params.id), call.actor)
        return {}

    async def job_toggle_notify_me(self, call: Call, params: JobId) -> Answer:
        job = self._jobs.active(call, params.id)
        email = self._email_of(call.account.name) if call.account.kind == "user" else ""
        if not email:
            raise Refusal("job", "Your account has no e-mail address.")
        return {"enabled": await self._office.engine.upkeep.toggle_notice(job, email, call.actor)}

    async def update_job(self, call: Call, params: JobId) -> Answer:
        changes = {key: value for key, value in call.params.items() if key != "id"}
        if not changes:
            raise BadParameter("Missing parameter: nothing to update")
        upkeep, active = self._office.engine.upkeep, self._office.engine.book.get(params.id)
        if active is not None:
            await upkeep.update_active(active, changes, call.actor, call.correlation_id)
        else:
            await upkeep.update_stored(params.id, changes, call.actor, call.correlation_id)
        return {}

    async def manage_job_tags(self, call: Call, params: JobTags) -> Answer:
        return await self._manage(call, params.id, "tags", params.tags)

    async def manage_job_tickets(self, call: Call, params: JobTickets) -> Answer:
        return await self._manage(call, params.id, "tickets", params.tickets)

    async def delete_job(self, call: Call, params: JobId) -> Answer:
        parent = parent_of(await self._jobs.ended(call, params.id))
        if parent in self._office.engine.book:
            raise Refusal("job", f"The job's workflow is still active: {parent}")
        await self._deletion.delete(params.id, call.actor, call.correlation_id)
        return {}

    async def flush_event_queue(self, call: Call, params: EventId) -> Answer:
        event = self._definitions.get("events", params.id)
        if event is None:
            raise Refusal("event", f"Event not found: {params.id}")
        call.account.require_event(event)
        return {"count": await self._office.engine.queues.flush(params.id, call.actor, call.correlation_id)}

    async def _manage(self, call: Call, job_id: str, key: str, listed: list[str]) -> Answer:
        if more := sorted(call.params.keys() - {"id", key}):
            raise Refusal("job", f"Too many properties: {', '.join(more)}")
        await self._jobs.ended(call, job_id)
        await self._office.engine.upkeep.manage(job_id, key, listed, call.actor, call.correlation_id)
        return {}

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            _changing(
                "abort_job", self.abort_job, JobId, "End a job before its time.", privilege="abort_jobs"
            ),
            _changing(
                "resume_job", self.resume_job, ResumeJob, "Let a suspended job go on.", privilege="run_jobs"
            ),
            _posted(
                "job_skip_delay", self.job_skip_delay, JobId, "Start a delayed job now.", privilege="run_jobs"
            ),
            _posted(
                "job_toggle_notify_me",
                self.job_toggle_notify_me,
                JobId,
                "Turn an e-mail to the caller at the end of a job on, or off again.",
                result=Toggled,
            ),
            _posted(
                "update_job",
                self.update_job,
                JobId,
                "Correct properties of a job, running or ended.",
                auth=Auth.ADMIN,
            ),
            _posted(
                "manage_job_tags",
                self.manage_job_tags,
                JobTags,
                "Replace the tags of an ended job.",
                privilege="tag_jobs",
            ),
            _posted(
                "manage_job_tickets",
                self.manage_job_tickets,
                JobTickets,
                "Replace the tickets of an ended job.",
                privilege="edit_tickets",
            ),
            _changing(
                "delete_job",
                self.delete_job,
                JobId,
                "Delete an ended job with its log; a workflow's with its sub-jobs.",
                privilege="delete_jobs",
            ),
            _changing(
                "flush_event_queue",
                self.flush_event_queue,
                EventId,
                "Remove an event's queued jobs.",
                privilege="abort_jobs",
                result=Flushed,
            ),
        )


def endpoints(
    office: Office, archive: JobArchive, deletion: Deletion, definitions: Definitions, email_of: EmailOf
) -> tuple[Endpoint[Any], ...]:
    return JobControl(office, archive, deletion, definitions, email_of).endpoints()
