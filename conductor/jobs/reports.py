"""What satellites tell of their jobs: updates, output, results, and what they hold after a join.

A satellite may speak of the jobs launched on it and of no others; what it says passes the allow-list.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from conductor.jobs import adoption, notes
from conductor.jobs.agents import Agents
from conductor.jobs.compose import words
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.late import LateResults, is_late
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.outcome import split
from conductor.jobs.output_files import with_own_files
from conductor.jobs.resumption import Known, Step, compare
from conductor.live.book import ActiveJob, JobBook
from conductor.logs import Once
from conductor.records.job_archive import JobArchive
from shared import clock
from shared.protocol.messages import HeldJob, JobCopy, JobLog, JobResult, JobUpdate, MetaRow
from shared.protocol.updates import SATELLITE_KEYS, allowed
from shared.schema.jobs import ABORT

Spawn = Callable[[Coroutine[Any, Any, object]], None]

LOG_FLUSH_SECONDS = 0.05
"""How long output is gathered before it is written and acknowledged."""

_STATES_FROM_AGENTS = frozenset({"finishing"})

log = structlog.get_logger(__name__)


class Reports:
    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        logs: LiveLogs,
        agents: Agents,
        finisher: Finisher,
        followers: Followers,
        late: LateResults,
        *,
        host: str,
        spawn: Spawn,
        unheard_of: Callable[[str], bool],
    ) -> None:
        """`unheard_of` tells whether a job is being assigned, so that no satellite can have heard of it yet."""
        self._host = host
        self._unheard_of = unheard_of
        self._book = book
        self._archive = archive
        self._logs = logs
        self._agents = agents
        self._finisher = finisher
        self._followers = followers
        self._late = late
        self._spawn = spawn
        self._waiting_results: dict[str, JobResult] = {}
        self._first = Once()
        self._gathered = asyncio.Event()

    # Acknowledged reports of our own satellites

    def update(self, server_id: str, message: JobUpdate) -> None:
        job = self._own(server_id, message.id, message.attempt)
        if job is not None:
            self._merge(job, server_id, message.update, message.meta)

    def output(self, server_id: str, message: JobLog) -> None:
        """Append a chunk at our own size, or ask for what is missing. Acknowledged when it is written."""
        job = self._own(server_id, message.id, message.attempt)
        if job is None:
            return
        size = self._logs.size(job.id)
        end = message.offset + len(message.data)
        if message.offset > size:
            self._agents.acknowledge_log(server_id, job.id, job.attempt, size, rewind=True)
            return
        if end > size:
            self._logs.append(job.id, message.data[size - message.offset :])
            self._gathered.set()
        elif message.data:
            # It has come before and its acknowledgement was lost: without one the window would stay full.
            self._agents.acknowledge_log(server_id, job.id, job.attempt, size)
        job.job["updated"] = clock.now()
        self._followers.changed(job.id)
        waiting = self._waiting_results.get(job.id)
        if waiting is not None:
            self.result(server_id, waiting)

    def result(self, server_id: str, message: JobResult) -> None:
        """End the job once its whole log is here; an unknown job is looked up in the archive."""
        job = self._book.get(message.id)
        if job is None:
            self._spawn(self._not_in_book(server_id, message))
            return
        if job.server != server_id or job.attempt != message.attempt:
            if self._first("result", server_id):
                log.warning(
                    "a result from a satellite that does not own the job", job=message.id, server=server_id
                )
            return
        if self._finisher.is_ending(job.id):
            self._end(job, _result(message.job))  # a repetition, or late by a moment
            return
        size = self._logs.size(job.id)
        if size < message.log_size:
            self._waiting_results[job.id] = message
            self._agents.acknowledge_log(server_id, job.id, job.attempt, size, rewind=True)
            return
        self._waiting_results.pop(job.id, None)
        result = _result(message.job)
        notes.add(job, *_rows(server_id, message.meta))
        self._push(job, result)
        self._end(job, result)

    async def resume(self, server_id: str, held: list[HeldJob]) -> None:
        """Compare what the satellite holds with what we know, and act on the differences."""
        unknown = [one.id for one in held if one.id not in self._book]
        archived = await self._archive.get_many(unknown, verbose=False) if unknown else {}
        for one in held:
            job = self._book.get(one.id)
            known = Known(
                in_book=job is not None,
                here=job is not None and job.server == server_id,
                attempt=job.attempt if job else 0,
                archived=one.id in archived,
                aborted=archived.get(one.id, {}).get("code") == ABORT,
            )
            self._act(server_id, one, compare(known, one))
        listed = {(one.id, one.attempt) for one in held}
        for job in list(self._book):
            if job.server != server_id or job.state not in ("active", "finishing"):
                continue
            if self._unheard_of(job.id) or self._finisher.is_ending(job.id):
                continue
            job.set(remote=True, updated=clock.now())
            if (job.id, job.attempt) in listed:
                if reason := job.job.get("abort_reason"):
                    self._agents.abort(server_id, job.id, job.attempt, reason)
            else:
                self._not_held(server_id, job)

    def _not_held(self, server_id: str, job: ActiveJob) -> None:
        """A job that was assigned to a satellite that does not hold it: it never arrived, or it was lost there."""
        if reason := job.job.get("abort_reason"):
            retry_ok = bool(job.job.get("retry_ok"))
            self._end(job, {"code": "abort", "description": reason, "retry_ok": retry_ok})
        elif job.state == "finishing" or job.job.get("pid") or self._logs.size(job.id):
            # It was seen running there, so that launching it again would run it twice.
            text = "The satellite holds the job no more (was its host set up anew?)."
            self._end(job, {"code": "lost", "description": text, "retry_ok": True})
        else:
            self._agents.launch(server_id, job.job, job.details, job.attempt)

    def _end(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        self._spawn(self._ended(job, result))

    async def adopt(self, server_id: str, copy: JobCopy, still_there: Callable[[], bool]) -> None:
        """Take a job into the book that a satellite holds and we have lost."""
        if copy.id in self._book or await self._archive.exists([copy.id]) or not still_there():
            return
        job = adoption.adopted(copy, server_id, clock.now())
        if job is None:
            if self._first("copy", server_id):
                log.warning(
                    "a copy that is no job of its satellite is refused", job=copy.id, server=server_id
                )
            return
        await self._book.accept(job)
        log.warning("a job that the book had lost was adopted", job=copy.id, server=server_id)
        self._agents.acknowledge_log(server_id, job.id, job.attempt, self._logs.size(job.id), rewind=True)

    # Unacknowledged reports of the base protocol

    def base_updates(self, server_id: str, jobs: Mapping[str, Any]) -> None:
        """`jobs` of the base protocol: whole copies, one a second; the inner ID counts (jobs.md §11)."""
        for copy in jobs.values():
            if not isinstance(copy, dict):
                continue
            job_id, complete = str(copy.get("id")), copy.get("state") == "complete"
            job = self._own(server_id, job_id)
            if job is not None and complete:
                self.base_result(server_id, job, copy)
            elif job is not None:
                self._merge(job, server_id, copy, [])
            elif complete and job_id not in self._book:
                self._spawn(self._late_copy(server_id, job_id, copy))

    def base_output(self, server_id: str, job_id: str, text: str) -> None:
        job = self._own(server_id, job_id)
        if job is not None:
            self._logs.append(job.id, text.encode(errors="replace"))
            self._gathered.set()
            job.job["updated"] = clock.now()
            self._followers.changed(job.id)

    def base_note(self, server_id: str, job_id: str, row: MetaRow) -> None:
        job = self._own(server_id, job_id)
        if job is not None:
            notes.add(job, *_rows(server_id, [row]))
            job.job["updated"] = clock.now()
            self._book.mark(job)

    def base_result(self, server_id: str, job: ActiveJob, copy: Mapping[str, Any]) -> None:
        result = _result(copy)
        self._push(job, result)
        self._end(job, result)

    async def finished_by_call(self, server_id: str, job_id: str, copy: Mapping[str, Any]) -> None:
        """`finish_job` of the base protocol: return when the archive has the job, or knows it already."""
        job = self._book.get(job_id)
        if job is None:
            await self._late.take(server_id, job_id, copy)
            return
        if server_id and job.server != server_id:
            return
        with self._followers.follow(job_id) as follower:
            if not self._finisher.is_ending(job_id):
                self.base_result(job.server, job, copy)
            record = await follower.ended()
        if is_late(record, copy):
            await self._late.take(server_id, job_id, copy)

    # Shared

    def forget(self, job_id: str) -> None:
        """The job has left the book."""
        self._waiting_results.pop(job_id, None)

    async def flush(self) -> None:
        """Hand gathered output to the operating system and acknowledge it, many times a second, until cancelled."""
        while True:
            await self._gathered.wait()
            await asyncio.sleep(LOG_FLUSH_SECONDS)
            self._gathered.clear()
            self._write_gathered()

    def _write_gathered(self) -> None:
        for job_id, size in self._logs.flush().items():
            job = self._book.get(job_id)
            if job is not None and not self._finisher.is_ending(job_id):
                job.set(log_file_size=size)
                self._book.mark(job)
                self._agents.acknowledge_log(job.server, job.id, job.attempt, size)

    async def _ended(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """Finish the job; if its abort is being archived just now, the result is late by a moment."""
        if not self._finisher.is_ending(job.id):
            await self._finisher.finish(job, result)
            return
        with self._followers.follow(job.id) as follower:
            record = await follower.ended()
        if is_late(record, result):
            await self._late.take(job.server, job.id, result)

    def _own(self, server_id: str, job_id: str, attempt: int | None = None) -> ActiveJob | None:
        job = self._book.get(job_id)
        if job is None or job.server != server_id or self._finisher.is_ending(job_id):
            return None
        return job if attempt is None or attempt == job.attempt else None

    def _merge(self, job: ActiveJob, server_id: str, update: Mapping[str, Any], meta: list[MetaRow]) -> None:
        kept = allowed(update, SATELLITE_KEYS)
        state = kept.get("state")
        if not isinstance(state, str) or state not in _STATES_FROM_AGENTS:
            kept.pop("state", None)
        for key in ("code", "complete"):
            kept.pop(key, None)  # a job ends by its result alone
        self._push(job, kept)
        summary, details = split(kept)
        details = with_own_files(details, job.id)
        job.update({**summary, "updated": clock.now(), "remote": True})
        if details:
            job.set_details(**details)
        if meta:
            notes.add(job, *_rows(server_id, meta))
        self._book.mark(job)
        self._followers.changed(job.id)

    @staticmethod
    def _push(job: ActiveJob, update: dict[str, Any]) -> None:
        """Append pushed arrays (jobs.md §11 step 6). Only tags in this version; actions and limits follow."""
        pushed = update.pop("push", None)
        if isinstance(pushed, dict):
            tags = [*words(job.job.get("tags")), *words(pushed.get("tags"))]
            job.set(tags=list(dict.fromkeys(tags)))

    async def _not_in_book(self, server_id: str, message: JobResult) -> None:
        if await self._late.take(server_id, message.id, message.job):
            self._agents.acknowledge_result(server_id, message.id, message.attempt)
        elif message.id not in self._book:
            self._agents.ask_for_copy(server_id, message.id, message.attempt)

    async def _late_copy(self, server_id: str, job_id: str, copy: Mapping[str, Any]) -> None:
        await self._late.take(server_id, job_id, copy)

    def _claim(self, server_id: str, held: HeldJob) -> None:
        """The book has lost the assignment: the job is where it is held."""
        job = self._book.get(held.id)
        if job is None or job.job.get("complete"):
            return
        log.warning("an assignment that the book had lost is taken over", job=held.id, server=server_id)
        job.attempt = held.attempt
        job.set(
            state="active", server=server_id, progress=0, remote=True, recovered=True, updated=clock.now()
        )
        job.remove("until", "position")
        self._book.mark(job)

    def _act(self, server_id: str, held: HeldJob, step: Step) -> None:
        if step is Step.ACKNOWLEDGE:
            self._agents.acknowledge_result(server_id, held.id, held.attempt)
        elif step is Step.ABORT:
            self._agents.abort(server_id, held.id, held.attempt, "The job has ended without this attempt.")
        elif step is Step.ADOPT:
            self._agents.ask_for_copy(server_id, held.id, held.attempt)
        elif step is Step.CLAIM:
            self._claim(server_id, held)


def _result(report: Mapping[str, Any]) -> dict[str, Any]:
    result = allowed(report, SATELLITE_KEYS)
    result.pop("state", None)
    return result


def _rows(server_id: str, meta: list[MetaRow]) -> list[dict[str, Any]]:
    return [{"id": row.id, "epoch": row.epoch, "msg": row.msg, "server": server_id} for row in meta]
