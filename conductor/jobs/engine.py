"""The job engine of one term: everything that happens to active jobs, and the tasks that make it happen."""

import asyncio
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog

from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.jobs import limits
from conductor.jobs.actions import Actions, NoActions
from conductor.jobs.agents import Agents
from conductor.jobs.census import Census
from conductor.jobs.compose import Order, words
from conductor.jobs.dispatcher import Dispatcher
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.late import LateResults
from conductor.jobs.launcher import Launcher
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.notes import note
from conductor.jobs.reports import Reports
from conductor.live.book import ActiveJob, JobBook
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from conductor.signals import SYSTEM, Actor, JobAborted, Signals
from shared import clock

TICK_SECONDS = 1.0
_LOOKED_AT_TOGETHER = 200
"""Jobs that a tick looks at before it lets others have the event loop."""

log = structlog.get_logger(__name__)


class JobEngine:
    """Jobs of one term of a primary: `run` it once the book is loaded; open for callers when `ready`."""

    def __init__(
        self,
        book: JobBook,
        archive: JobArchive,
        files: Files,
        definitions: Definitions,
        state: GlobalState,
        agents: Agents,
        settings: Settings,
        signals: Signals,
        data_dir: Path,
        *,
        tick_seconds: float = TICK_SECONDS,
        actions: Actions | None = None,
    ) -> None:
        host = settings.host_id()
        self.book = book
        self.logs = LiveLogs(data_dir / "logs" / "jobs")
        self.followers = Followers()
        self.actions = actions = actions or NoActions()
        self._agents = agents
        self._archive = archive
        self._signals = signals
        self._host = host
        self._tick_seconds = tick_seconds
        self._dead_after = settings.dead_job_timeout
        self._tasks: asyncio.TaskGroup | None = None
        self._troubled: set[str] = set()
        self.ready = asyncio.Event()
        """Set once what an earlier primary left has been taken up."""
        self._launcher = Launcher(book, definitions, settings, signals, self._entered)
        self._finisher = Finisher(
            book, archive, files, self.logs, agents, definitions, state, settings, signals, self.followers,
            left=self._left, entered=self._entered, actions=actions,
        )  # fmt: skip
        census = Census()
        book.observe(census)
        self._dispatcher = Dispatcher(
            book, agents, definitions, state, signals, self.followers, census,
            host=host, end=self._end, spawn=self._spawn, actions=actions,
        )  # fmt: skip
        late = LateResults(archive, host, settings.base_app_url)
        self.reports = Reports(
            book, archive, self.logs, agents, self._finisher, self.followers, late,
            host=host, spawn=self._spawn, unheard_of=self._dispatcher.holds,
            actions=actions, base_url=settings.base_app_url,
        )  # fmt: skip

    async def _resume(self) -> None:
        """Take up what an earlier primary left. Jobs the archive has already leave the book."""
        waiting = [job for job in self.book if job.outcome is not None]
        archived = await self._archive.exists([job.id for job in self.book]) if len(self.book) else set()
        now = clock.now()
        for job in list(self.book):
            if job.id in archived and job.outcome is None:
                await self.book.settle(job)
            elif job.state in ("active", "finishing"):
                job.set(remote=False, updated=now)
                note(job, self._host, "Resuming management of job.", now)
                self.book.mark(job)
                if self.actions.due(job, ("instant",)):  # pushed, and not done when we took over
                    self._spawn(self.actions.run_for_job(job, ("instant",)))
        for job in waiting:
            self._spawn(self._finisher.go_on(job))
        self.logs.drop_others({job.id for job in self.book})
        if len(self.book):
            log.info("resumed active jobs", jobs=len(self.book))

    async def run(self) -> None:
        """Until cancelled. Raises Deposed when another conductor is primary."""
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = group
                group.create_task(self.book.run(), name="book")
                await self._resume()
                self.ready.set()
                group.create_task(self._tick(), name="job tick")
                group.create_task(self.reports.flush(), name="log flush")
        finally:
            self._tasks = None
            self.followers.close()

    # What the API asks for

    async def launch(self, order: Order, actor: Actor) -> str:
        """See Launcher.launch."""
        return await self._launcher.launch(order, actor)

    async def launch_and_wait(self, order: Order, actor: Actor) -> dict[str, Any]:
        """Launch and return the stored record once the job has ended."""
        return await self.wait_for(await self.launch(order, actor))

    async def wait_for(self, job_id: str) -> dict[str, Any]:
        """The job's record once it has ended. Raises Refusal (`job`) when it left none, Deposed with the term."""
        with self.followers.follow(job_id) as follower:
            if job_id not in self.book:
                record = await self._archive.get(job_id)
                if record is None:
                    raise Refusal("job", f"Job has ended and left no record: {job_id}")
                return record
            return await follower.ended()

    def abort(self, job_id: str, reason: str, actor: Actor = SYSTEM, *, retry_ok: bool = False) -> None:
        """Ask for the job's end; it follows when the satellite has reported. Raises Refusal (`job`)."""
        job = self.book.get(job_id)
        if job is None:
            raise Refusal("job", f"No active job found with ID: {job_id}")
        self._signals.publish(JobAborted(job_id=job_id, reason=reason, actor=actor))
        note(job, self._host, f"Job is aborted: {reason}", clock.now())
        told = job.state == "active" and not self._dispatcher.holds(job_id)
        if told and job.server in self._agents.online:
            # The reason is kept, since a satellite that loses its connection now must be told again.
            once_more = "abort_reason" in job.job
            job.set(
                updated=clock.now(),
                abort_reason=job.job["abort_reason"] if once_more else reason,
                retry_ok=retry_ok and (not once_more or bool(job.job.get("retry_ok"))),
            )
            self.book.mark(job)
            self._agents.abort(job.server, job.id, job.attempt, reason)
            return
        if self._dispatcher.acts_on(job_id):
            self._dispatcher.abort(job, reason)
            return
        self._end(job, {"code": "abort", "description": reason, "retry_ok": retry_ok})

    # What the fleet tells

    def server_joined(self, server_id: str) -> None:
        """A satellite takes jobs from now on."""
        self._dispatcher.examine_waiting()

    def server_left(self, server_id: str, text: str) -> None:
        """A satellite's socket is gone: its jobs go on without us for now."""
        now = clock.now()
        for job in list(self.book):
            if job.server == server_id and job.state in ("active", "finishing"):
                job.set(remote=False)
                note(job, self._host, text, now)
                self.book.mark(job)

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Work that a call has begun and need not wait for; it ends with the term."""
        self._spawn(work)

    # Inside

    def _spawn(self, coroutine: Coroutine[Any, Any, object]) -> None:
        work = self._guarded(coroutine)
        try:
            if self._tasks is not None:
                task = self._tasks.create_task(work)
                task.add_done_callback(lambda _: coroutine.close())  # it may never have been started
                return
        except RuntimeError:  # the term is ending: the next one finds what is undone
            log.debug("a step came after the end of its term")
        work.close()
        coroutine.close()

    @staticmethod
    async def _guarded(coroutine: Coroutine[Any, Any, object]) -> None:
        """One job's trouble is logged and harms no other; a deposed primary ends its term."""
        try:
            await coroutine
        except Deposed:
            raise
        except Unavailable as error:
            log.warning("a step of a job waits for its stores", error=str(error))
        except Exception:
            log.exception("a step of a job failed")

    def _entered(self, job: ActiveJob) -> None:
        self._dispatcher.examine(job)

    def _left(self, job: ActiveJob) -> None:
        self.reports.forget(job.id)
        self._dispatcher.examine_queue_of(str(job.job.get("event", "")))

    def _end(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        self._spawn(self._finisher.finish(job, result))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(self._tick_seconds)
            for number, job in enumerate(list(self.book), 1):
                if number % _LOOKED_AT_TOGETHER == 0:
                    await asyncio.sleep(0)
                try:
                    self._look_at(job, clock.now())
                except Exception:
                    # One job's trouble harms no other, and is told once, not each second.
                    if job.id not in self._troubled:
                        self._troubled.add(job.id)
                        log.exception("a job could not be looked at", job=job.id)
            try:
                self._dispatcher.examine_waiting()
            except Exception:
                log.exception("the waiting jobs could not be looked at")

    def _look_at(self, job: ActiveJob, now: float) -> None:
        if job.id not in self.book or self._finisher.is_ending(job.id):
            return
        if job.outcome is not None:
            self._spawn(self._finisher.go_on(job))  # an end that was decided and not settled
        elif job.state in ("active", "finishing") and not self._dispatcher.holds(job.id):
            self._watch(job, now)

    def _watch(self, job: ActiveJob, now: float) -> None:
        """Limits of a running job, and whether anybody still hears of it."""
        if now - (limits.number(job.job.get("updated")) or now) >= self._dead_after:
            if job.server in self._agents.online and self._agents.lists_its_jobs(job.server):
                job.job["updated"] = now  # its satellite is here and would have said that it is lost
                return
            text = f"No updates received in last {self._dead_after:g} seconds, assuming job is dead."
            self._end(job, {"code": "abort", "description": text, "retry_ok": True})
            return
        fired = limits.exceeded(job.job, now) if "abort_reason" not in job.job else None
        if fired is None:
            return
        fired.limit.update(date=now, msg=fired.message, code=0)
        tags = [*words(job.job.get("tags")), *words(fired.limit.get("tags"))]
        job.set(limits=job.job["limits"], tags=list(dict.fromkeys(tags)))
        note(job, self._host, fired.message, now)
        self.book.mark(job)
        if fired.limit.get("abort"):
            self.abort(job.id, fired.message, retry_ok=True)
