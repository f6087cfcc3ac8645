"""A satellite has joined again: what it holds against what we know (durability.md, "Reconnection")."""

from collections.abc import Callable, Mapping
from typing import Any

import structlog

from conductor.jobs import adoption
from conductor.jobs.agents import Agents
from conductor.jobs.finisher import Finisher
from conductor.jobs.log_intake import LogIntake
from conductor.jobs.resumption import Known, Step, compare
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.logs import Once
from conductor.records.job_archive import JobArchive
from shared import clock
from shared.protocol.messages import HeldJob, JobCopy
from shared.schema.jobs import ABORT

log = structlog.get_logger(__name__)


class Reconnection:
    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        agents: Agents,
        finisher: Finisher,
        intake: LogIntake,
        *,
        end: Callable[[ActiveJob, Mapping[str, Any]], None],
        unheard_of: Callable[[str], bool],
    ) -> None:
        """`unheard_of` tells whether a job is being assigned, so that no satellite can have heard of it yet."""
        self._book = book
        self._archive = archive
        self._agents = agents
        self._finisher = finisher
        self._intake = intake
        self._end = end
        self._unheard_of = unheard_of
        self._first = Once()

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
                given_up=_given_up(archived.get(one.id, {}), server_id),
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
        self._intake.ask_again(job)

    def _not_held(self, server_id: str, job: ActiveJob) -> None:
        """A job that was assigned to a satellite that does not hold it: it never arrived, or it was lost there."""
        if reason := job.job.get("abort_reason"):
            retry_ok = bool(job.job.get("retry_ok"))
            self._end(job, {"code": "abort", "description": reason, "retry_ok": retry_ok})
        elif job.state == "finishing" or job.job.get("pid") or self._intake.size(job):
            # It was seen running there, so that launching it again would run it twice.
            text = "The satellite holds the job no more (was its host set up anew?)."
            self._end(job, {"code": "lost", "description": text, "retry_ok": True})
        else:
            self._agents.launch(server_id, job.job, job.details, job.attempt)

    def _act(self, server_id: str, held: HeldJob, step: Step) -> None:
        if step is Step.ACKNOWLEDGE:
            self._agents.acknowledge_result(server_id, held.id, held.attempt)
        elif step is Step.ABORT:
            self._agents.abort(server_id, held.id, held.attempt, "The job has ended without this attempt.")
        elif step is Step.ADOPT:
            self._agents.ask_for_copy(server_id, held.id, held.attempt)
        elif step is Step.CLAIM:
            self._claim(server_id, held)

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
        job.remove("until", "position", "queued")
        self._book.mark(job)


def _given_up(record: Mapping[str, Any], server_id: str) -> bool:
    """Whether a job was archived only because nothing was heard of this server, and nothing runs in its place."""
    dead = record.get("code") == ABORT and record.get("given_up") is True
    return dead and record.get("server") == server_id and not record.get("retried")
