"""What satellites tell of their jobs: the one door for both protocols.

Acknowledged reports of our own satellites and whole copies of the base protocol go through the same checks
(`merging`), the same log (`log_intake`) and the same end.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from conductor.jobs.actions import Actions
from conductor.jobs.agents import Agents
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.late import LateResults, is_late
from conductor.jobs.late_logs import LateLogs
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.log_intake import LogIntake
from conductor.jobs.merging import Merging
from conductor.jobs.reconnection import Reconnection
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.logs import Once
from conductor.records.job_archive import JobArchive
from shared import clock
from shared.protocol.messages import HeldJob, JobCopy, JobLog, JobResult, JobUpdate, MetaRow

Spawn = Callable[[Coroutine[Any, Any, object]], None]

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
        late_logs: LateLogs,
        *,
        host: str,
        spawn: Spawn,
        unheard_of: Callable[[str], bool],
        actions: Actions,
        base_url: str,
    ) -> None:
        """`unheard_of` tells whether a job is being assigned, so that no satellite can have heard of it yet."""
        self._book = book
        self._agents = agents
        self._finisher = finisher
        self._followers = followers
        self._late = late
        self._late_logs = late_logs
        self._spawn = spawn
        self._merging = Merging(book, finisher, followers, actions, host=host, base_url=base_url, spawn=spawn)
        self._intake = LogIntake(
            book, logs, agents, finisher, followers, host=host, written_late=late_logs.written
        )
        self._reconnection = Reconnection(
            book, archive, agents, finisher, self._intake, end=self._end, unheard_of=unheard_of
        )
        self._waiting_results: dict[str, JobResult] = {}
        self._first = Once()

    # Acknowledged reports of our own satellites

    def update(self, server_id: str, message: JobUpdate) -> None:
        job = self._merging.own(server_id, message.id, message.attempt)
        if job is not None:
            self._merging.merge(job, server_id, message.update, message.meta)

    def output(self, server_id: str, message: JobLog) -> None:
        """Append a chunk at our own size, or ask for what is missing. Acknowledged when it is written."""
        job = self._merging.own(server_id, message.id, message.attempt)
        if job is None:
            if late := self._late_logs.take(server_id, message):
                self._spawn(self._not_in_book(server_id, late))
            self._intake.gathered()
            return
        if not self._intake.chunk(job, message.offset, message.data):
            return
        waiting = self._waiting_results.get(job.id)
        # What is missing was asked for when the result came: asking again at each chunk would bring each of
        # them many times.
        if waiting is not None and self._intake.size(job) >= waiting.log_size:
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
            self._end(job, self._merging.repeated(message.job))  # a repetition, or late by a moment
            return
        if self._intake.size(job) < message.log_size:
            self._waiting_results[job.id] = message
            self._intake.ask_again(job)
            return
        self._waiting_results.pop(job.id, None)
        self._end(job, self._merging.result(job, server_id, message.job, message.meta))

    async def resume(self, server_id: str, held: list[HeldJob]) -> None:
        """See Reconnection.resume."""
        await self._reconnection.resume(server_id, held)

    async def adopt(self, server_id: str, copy: JobCopy, still_there: Callable[[], bool]) -> None:
        """See Reconnection.adopt."""
        await self._reconnection.adopt(server_id, copy, still_there)

    # Unacknowledged reports of the base protocol

    def base_updates(self, server_id: str, jobs: Mapping[str, Any]) -> None:
        """`jobs` of the base protocol: whole copies, one a second; the inner ID counts (jobs.md §11)."""
        for copy in jobs.values():
            if not isinstance(copy, dict):
                continue
            job_id, complete = str(copy.get("id")), copy.get("state") == "complete"
            job = self._merging.own(server_id, job_id)
            if job is not None and complete:
                self._base_result(server_id, job, copy)
            elif job is not None:
                self._merging.merge(job, server_id, copy, ())
            elif complete and job_id not in self._book:
                self._spawn(self._late.take(server_id, job_id, copy))

    def base_output(self, server_id: str, job_id: str, text: str) -> None:
        job = self._merging.own(server_id, job_id)
        if job is not None:
            self._intake.text(job, text)

    def base_note(self, server_id: str, job_id: str, row: MetaRow) -> None:
        job = self._merging.own(server_id, job_id)
        if job is not None:
            self._merging.add_rows(job, server_id, [row])
            job.job["updated"] = clock.now()
            self._book.mark(job)

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
                self._base_result(job.server, job, copy)
            record = await follower.ended()
        if is_late(record, copy):
            await self._late.take(server_id, job_id, copy)

    # Shared

    def forget(self, job_id: str) -> None:
        """The job has left the book."""
        self._waiting_results.pop(job_id, None)

    async def flush(self) -> None:
        """See LogIntake.flush."""
        await self._intake.flush()

    def _base_result(self, server_id: str, job: ActiveJob, copy: Mapping[str, Any]) -> None:
        self._end(job, self._merging.result(job, server_id, copy, ()))

    def _end(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        self._spawn(self._ended(job, result))

    async def _ended(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """Finish the job; if its abort is being archived just now, the result is late by a moment."""
        if not self._finisher.is_ending(job.id):
            await self._finisher.finish(job, result)
            return
        with self._followers.follow(job.id) as follower:
            record = await follower.ended()
        if is_late(record, result):
            await self._late.take(job.server, job.id, result)

    async def _not_in_book(self, server_id: str, message: JobResult) -> None:
        late_log = await self._late.lacks_log(server_id, message.id, message.log_size)
        if late_log and not self._late_logs.is_whole(message):
            self._late_logs.ask(server_id, message)
            return
        kept = await self._late_logs.keep(message) if late_log else None
        if await self._late.take(server_id, message.id, message.job, kept):
            self._agents.acknowledge_result(server_id, message.id, message.attempt)
            if kept is not None:
                self._late_logs.drop(message.id)
        elif message.id not in self._book:
            self._agents.ask_for_copy(server_id, message.id, message.attempt)
