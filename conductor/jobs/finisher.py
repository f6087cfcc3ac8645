"""The end of a job, in the order that loses and doubles nothing (durability.md, step 7).

Log into the archive's keeping; what was decided into the book; the actions, each booked as begun and done; one
SQL transaction keyed by the job's ID; one script that removes the job and lets in what follows; then the
satellite may forget it. Each step can be done again by whoever finds it undone.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import Unavailable
from conductor.jobs import outcome
from conductor.jobs.actions import Actions, NoActions
from conductor.jobs.agents import Agents
from conductor.jobs.compose import words
from conductor.jobs.followers import Followers
from conductor.jobs.graphs import Graphs, NoGraphs
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.notes import note
from conductor.jobs.output_files import with_own_files
from conductor.jobs.totals import Totals
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from conductor.signals import SYSTEM, Actor, JobFinished, JobRetried, Signal
from shared import clock, faults, ids
from shared.schema.jobs import ABORT

_RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)


def log_key(job_id: str) -> str:
    """Where the log of an ended job lies in the object store when it is too large for its record."""
    return f"logs/jobs/{job_id}/log.txt.gz"


class Told(Protocol):
    async def __call__(self, job: ActiveJob, *, retried: bool) -> None: ...


class Finisher:
    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        files: Files,
        logs: LiveLogs,
        agents: Agents,
        definitions: Definitions,
        state: GlobalState,
        settings: Settings,
        signals: Signals,
        followers: Followers,
        *,
        left: Callable[[ActiveJob], None],
        entered: Callable[[ActiveJob], None],
        actions: Actions | None = None,
        graphs: Graphs | None = None,
        told: Told | None = None,
    ) -> None:
        """`left` is told of each job that ended, `entered` of each job that follows one.

        `told` returns when those are told whom a job's limits name: no job leaves before.
        """
        self._book = book
        self._archive = archive
        self._files = files
        self._logs = logs
        self._agents = agents
        self._definitions = definitions
        self._state = state
        self._inline = settings.max_inline_job_log_size
        self._host = settings.host_id()
        self._signals = signals
        self._followers = followers
        self._left = left
        self._entered = entered
        self._totals = Totals(state, settings.tz)
        self._actions = actions or NoActions()
        self._graphs = graphs or NoGraphs()
        self._told = told
        self._ending: set[str] = set()

    def is_ending(self, job_id: str) -> bool:
        return job_id in self._ending

    async def finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """End the job with what its satellite, or we, say of it.

        A second call for one job does nothing, but for an abort while its actions run.
        """
        if job.id not in self._book:
            return
        if job.id in self._ending:
            if result.get("code") == ABORT:
                self.abort(job, str(result.get("description") or ""))
            return
        self._ending.add(job.id)
        try:
            self._conclude(job, result)
            await self._settle_when_possible(job)
        finally:
            self._ending.discard(job.id)

    async def go_on(self, job: ActiveJob) -> None:
        """Take up the end of a job that a conductor before us had decided and not settled."""
        if job.id not in self._ending and job.id in self._book:
            self._ending.add(job.id)
            try:
                await self._settle_when_possible(job)
            finally:
                self._ending.discard(job.id)

    def abort(self, job: ActiveJob, reason: str) -> None:
        """Somebody aborts a job whose actions are under way: it ends as aborted, and nobody resumes it."""
        decided = job.outcome
        if decided is not None and not decided.get("acted"):
            job.set(code=ABORT, description=reason)
            job.remove("suspended")
            self._book.mark(job)
            self._actions.release(job)

    async def _settle_when_possible(self, job: ActiveJob) -> None:
        while True:
            try:
                await self._settle(job)
            except Unavailable as error:
                log.warning("a finished job waits for its stores", job=job.id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return

    def _conclude(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """What the end is: result, times, whether to try again. Changes the job in memory only."""
        now = clock.now()
        summary, details = outcome.split(result)
        job.update(summary)
        job.set_details(**with_own_files(details, job.id))
        job.set(
            code=outcome.normal_code(job.job.get("code")),
            description=str(job.job.get("description") or ""),
            completed=now,
            elapsed=round(now - job.job["started"], 3),
            state="complete",
            complete=True,
        )
        if job.job.get("ephemeral") and (job.job["code"] or job.details.get("files")):
            job.remove("ephemeral")  # what failed or left files is worth a record (jobs.md §14.2)
        plan = outcome.retry(job.job)
        job.outcome = {
            "retry": [ids.short_id("j"), plan.number, plan.delay] if plan else None,
            "conditions": [] if plan else outcome.conditions(job.job),
        }

    async def _settle(self, job: ActiveJob) -> None:
        decided = job.outcome or {}
        plan = decided.get("retry")
        if not decided.get("complete"):
            await self._act(job)
            self._complete(job, plan)
            job.outcome = {**(job.outcome or {}), "complete": True}
        follow_ups = self._follow_ups(job, plan)
        await self._book.save(job)
        faults.reach("conductor.finishing")
        record = self._record(job)
        told = _told(job, record, plan)
        await self._store(job, record, told)
        faults.reach("conductor.sql")
        await self._actions.change_event(job)
        if not await self._graphs.settle(job, record, follow_ups):
            await self._book.settle(job, follow_ups)
        faults.reach("conductor.settled")
        self._tell(job, record, follow_ups, told)
        await self._actions.delete_event(job)

    async def _act(self, job: ActiveJob) -> None:
        """Log and actions. Not done again after a death: the live log is gone by then, and an action is done."""
        decided = job.outcome or {}
        if decided.get("acted"):
            return
        if not decided.get("kept"):
            await self._keep_log(job)
            faults.reach("conductor.files")
            job.outcome = {**decided, "kept": True}
        conditions = decided.get("conditions") or ()
        if conditions:
            if self._actions.due(job, conditions):
                # What is decided must outlive us before anybody hears of it.
                await self._book.save(job)
                faults.reach("conductor.decided")
                self._followers.changed(job.id)
            await self._actions.run_for_job(job, conditions)
        if self._told is not None:
            await self._told(job, retried=bool(decided.get("retry")))
        job.outcome = {**(job.outcome or {}), "acted": True}

    def _complete(self, job: ActiveJob, plan: list[Any] | None) -> None:
        """What the record needs beside the result and its actions."""
        self._tag(job, retried=bool(plan))
        if plan:
            launched = [one for one in job.job.get("jobs") or () if isinstance(one, dict)]
            job.set(retried=True, jobs=[*launched, {"id": plan[0], "reason": "retry"}])
        note(job, self._host, _last_words(job.job), job.job["completed"])

    async def _keep_log(self, job: ActiveJob) -> None:
        size = self._logs.size(job.id)
        if size > self._inline:
            if not job.job.get("ephemeral"):
                packed = await asyncio.to_thread(self._logs.packed, job.id)
                await self._files.put(log_key(job.id), packed)
        elif size:
            job.set_details(output=self._logs.read(job.id).decode(errors="replace"))
        elif job.job["code"] and job.job["description"]:
            job.set_details(output=job.job["description"] + "\n")
            size = len(job.details["output"].encode())
        job.set(log_file_size=size)

    def _follow_ups(self, job: ActiveJob, plan: list[Any] | None) -> list[ActiveJob]:
        if not plan:
            return []
        job_id, count, delay = plan
        new = ActiveJob(
            *outcome.retried_job(
                job.job, job.details, outcome.Retry(count, delay), job_id, job.job["completed"]
            )
        )
        note(new, self._host, f"Job is retried: #{job.id} (attempt {count + 1}).", job.job["completed"])
        return [new]

    def _tag(self, job: ActiveJob, *, retried: bool) -> None:
        """Only defined tags, by ID or exact title, are kept; each is stored by its ID."""
        files = bool(job.details.get("files") or (job.details.get("input") or {}).get("files"))
        known: list[str] = []
        for tag in words(job.job.get("tags")):
            found = self._tag_id(tag)
            if found is None:
                note(job, self._host, f"Unknown tag is dropped: {tag}", job.job["completed"])
            else:
                known.append(found)
        job.set(tags=outcome.final_tags(job.job, list(dict.fromkeys(known)), retried=retried, files=files))

    def _tag_id(self, tag: str) -> str | None:
        if self._definitions.get("tags", tag) is not None:
            return tag
        return next(
            (str(one["id"]) for one in self._definitions.all("tags") if one.get("title") == tag), None
        )

    def _record(self, job: ActiveJob) -> dict[str, Any]:
        record = outcome.record(job.job, job.details)
        event = self._definitions.get("events", str(record.get("event")))
        if record.get("type") == "adhoc":
            record["event"] = ""  # it is no run of the workflow's event
        elif event:
            record["event_title"] = event.get("title", "")
            record["event_revision"] = event.get("revision", 0)
        return record

    async def _store(self, job: ActiveJob, record: dict[str, Any], told: Sequence[Signal]) -> None:
        """The archive row, its events and the running totals, in one transaction; nothing if it is there already."""
        key = f"events/{record['event']}"
        totals = self._totals.after(record)
        if record.get("ephemeral"):
            if totals:
                await self._state.revise(key, lambda _: self._totals.after(record))
            if not job.tells(
                JobFinished
            ):  # no record to store it with: it is told as the job leaves the book
                for signal in told:
                    job.say(signal)
            return
        untold = self._book.untold(job)
        events = [*(row for one in untold for row in one.rows), *self._signals.events(*told)]
        if not totals:
            if await self._archive.add(record, events=events):
                self._book.learned(job, untold)
            return
        staged = self._state.staged(key, totals)
        added = False
        try:
            added = await self._archive.add(record, staged, events=events)
        finally:
            if added:
                self._state.apply(key, totals)
                self._book.learned(job, untold)
            else:
                self._state.withdraw(key)

    def _tell(
        self,
        job: ActiveJob,
        record: dict[str, Any],
        follow_ups: list[ActiveJob],
        told: Sequence[Signal],
    ) -> None:
        if job.server:
            self._agents.acknowledge_result(job.server, job.id, job.attempt)
        faults.reach("conductor.acknowledged")
        self._logs.drop(job.id)
        self._followers.finished(job.id, record)
        for signal in () if record.get("ephemeral") else told:
            self._signals.publish_logged(signal)
        for one in follow_ups:
            self._entered(one)
        self._left(job)


def _told(job: ActiveJob, record: dict[str, Any], plan: list[Any] | None) -> list[Signal]:
    """What is announced of the end."""
    event, story = str(record.get("event", "")), job.story()
    actor = Actor(kind="satellite", id=job.server) if job.server else SYSTEM
    ended = JobFinished(
        job_id=job.id,
        event_id=event,
        code=record["code"],
        elapsed=record["elapsed"],
        job=record,
        attempt=job.attempt,
        actor=actor,
        **story,
    )
    if not plan:
        return [ended]
    return [ended, JobRetried(job_id=job.id, next_id=plan[0], event_id=event, delay=plan[2], **story)]


def _last_words(job: Mapping[str, Any]) -> str:
    if not job["code"]:
        return "Job completed successfully."
    text = f"Job failed with code: {job['code']}"
    return f"{text}: {job['description']}" if job["description"] else text
