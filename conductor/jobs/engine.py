"""The job engine of one term: everything that happens to active jobs, and the tasks that make it happen."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import structlog

from conductor.announcer import Signals
from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import Deposed, Refusal, Unavailable
from conductor.jobs import timelines
from conductor.jobs.aborting import Aborting
from conductor.jobs.agents import Agents
from conductor.jobs.census import Census
from conductor.jobs.clock_steps import ClockSteps, move
from conductor.jobs.compose import Order
from conductor.jobs.dispatcher import Dispatcher
from conductor.jobs.finisher import Finisher
from conductor.jobs.followers import Followers
from conductor.jobs.late import LateResults
from conductor.jobs.late_logs import LateLogs
from conductor.jobs.launcher import Launcher
from conductor.jobs.livelog import LiveLogs
from conductor.jobs.multiplex import TEMPLATE
from conductor.jobs.multiplex_runs import Multiplexer
from conductor.jobs.notes import note
from conductor.jobs.placing import Placing
from conductor.jobs.ports import Ports
from conductor.jobs.preview import Previews
from conductor.jobs.queues import Queues
from conductor.jobs.reports import Reports
from conductor.jobs.resuming import Resuming
from conductor.jobs.starting import Starting
from conductor.jobs.telling import LimitTelling
from conductor.jobs.totals import Totals
from conductor.jobs.upkeep import Upkeep
from conductor.jobs.watching import Watching
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from conductor.signals import SYSTEM, Actor, JobStarted
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
        ports: Ports | None = None,
    ) -> None:
        """`ports` are the other rooms, as far as they are there."""
        ports = ports or Ports()
        host = settings.host_id()
        self.book = book
        book.signals = signals
        self.logs = LiveLogs(data_dir / "logs" / "jobs", settings.max_job_log_size)
        self.followers = Followers()
        self._archive = archive
        self._host = host
        self._tick_seconds = tick_seconds
        self._tasks: asyncio.TaskGroup | None = None
        self._troubled: set[str] = set()
        self.ready = asyncio.Event()
        """Set once what an earlier primary left has been taken up."""
        totals = Totals(state, settings.tz)
        self._census = census = Census()
        book.observe(census)
        self._placing = placing = Placing(agents, definitions, state, census, ports)
        self._graphs = ports.graphs
        self.launcher = Launcher(
            book, definitions, settings, self._entered,
            lambda event_id, condition: totals.today(event_id, condition, book.of_event(event_id)),
        )  # fmt: skip
        self.previews = Previews(self.launcher, placing, census)
        self.actions = ports.actions
        self._telling = LimitTelling(book, ports.notices, self._spawn)
        self.at_rest: Callable[[], str] = str
        """What keeps all work at rest; empty: nothing does."""
        self._finisher = Finisher(
            book, archive, files, self.logs, agents, definitions, state, settings, signals, self.followers,
            left=self._left, entered=self._entered, actions=ports.actions, graphs=ports.graphs,
            told=self._telling.settled,
        )  # fmt: skip
        self._multiplexer = Multiplexer(
            book, archive, placing, census, self.followers, signals,
            host=host, end=self._end, abort=lambda job_id, reason: self.abort(job_id, reason),
            entered=self._entered, spawn=self._spawn,
            no_server=lambda job, placement: self._dispatcher.no_server(job, placement),
        )  # fmt: skip
        starting = Starting(book, ports, self._end)
        self._dispatcher = Dispatcher(
            book, agents, definitions, self.followers, census, placing, starting,
            host=host, end=self._end, spawn=self._spawn, start_workflow=self._start_workflow,
        )  # fmt: skip
        self._watching = Watching(
            book, agents, self.followers, self._telling, settings,
            abort=self._abort_by_limit, end=self._end,
        )  # fmt: skip
        self._aborting = Aborting(
            book, agents, starting, ports.suspension, signals,
            host=host, end=self._end, held=self._dispatcher.holds, ending=self._finisher.is_ending,
            abort_ending=self._finisher.abort, abort_workflow=self._abort_workflow,
        )  # fmt: skip
        self.resuming = Resuming(book, ports.suspension, self.followers, signals, host)
        self.queues = Queues(
            book, self.followers, signals, ports.graphs, removed=self._multiplexer.removed, left=self._left
        )
        self.upkeep = Upkeep(book, archive, self.followers, signals, host, skipped=self._dispatcher.due)
        self.reports = Reports(
            book, archive, self.logs, agents, self._finisher, self.followers,
            LateResults(archive, host, settings.base_app_url),
            LateLogs(self.logs, files, agents, settings.max_inline_job_log_size),
            host=host, spawn=self._spawn, unheard_of=self._dispatcher.holds,
            actions=ports.actions, base_url=settings.base_app_url,
        )  # fmt: skip

    async def _resume(self) -> None:
        """Take up what an earlier primary left. Jobs the archive has already leave the book."""
        waiting = [job for job in self.book if job.outcome is not None]
        archived = await self._archive.exists([job.id for job in self.book]) if len(self.book) else set()
        now = clock.now()
        for job in list(self.book):
            if job.id not in archived:
                self._telling.resume(job)
            if job.id in archived and job.outcome is None:
                await self._leave_archived(job)
            elif job.state in ("active", "finishing"):
                job.set(remote=False, updated=now)
                note(job, self._host, "Resuming management of job.", now)
                self.book.mark(job)
                if self.actions.due(job, ("instant",)):  # pushed, and not done when we took over
                    self._spawn(self.actions.run_for_job(job, ("instant",)))
            elif job.state == "starting":
                self._start_again(job, now)
            else:
                self._multiplexer.take_up(job)
        for job in list(self.book):
            if job.state == "active" and job.outcome is None and self._graphs.takes(job):
                await self._graphs.begin(job)
        for job in waiting:
            self._spawn(self._finisher.go_on(job))
        self.logs.drop_others({job.id for job in self.book})
        if len(self.book):
            log.info("resumed active jobs", jobs=len(self.book))

    async def _leave_archived(self, job: ActiveJob) -> None:
        record = await self._archive.get(job.id)
        if record is None or not await self._graphs.settle(job, record):
            await self.book.settle(job)

    def _start_again(self, job: ActiveJob, now: float) -> None:
        """Its start actions were under way: those that are done stay done, a suspension waits again."""
        job.remove("suspended", "server", "groups")
        if reason := job.job.get("abort_reason"):
            self._end(job, {"code": "abort", "description": str(reason)})
            return
        job.set(state="ready", resumed=True)
        note(job, self._host, "Resuming management of job.", now)
        self.book.mark(job)

    async def run(self) -> None:
        """Until cancelled. Raises Deposed when another conductor is primary."""
        try:
            async with asyncio.TaskGroup() as group:
                self._tasks = group
                group.create_task(self.book.run(), name="book")
                await self._resume()
                self.ready.set()
                group.create_task(self._tick(), name="job tick")
                group.create_task(self._census.delays.run(self._dispatcher.due), name="job delays")
                group.create_task(self.reports.flush(), name="log flush")
        finally:
            self._tasks = None
            self.followers.close()

    # What the API asks for

    async def launch(self, order: Order, actor: Actor) -> str:
        """See Launcher.launch. Refused while all work is kept at rest."""
        if why := self.at_rest():
            raise Refusal("event", f"No jobs can be started: {why}")
        return await self.launcher.launch(order, actor)

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
        """See Aborting.abort."""
        self._aborting.abort(job_id, reason, actor, retry_ok=retry_ok)

    # What the fleet tells

    def server_joined(self, server_id: str) -> None:
        """A satellite takes jobs from now on."""
        self._dispatcher.fleet_changed()

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

    # What workflows ask for

    def candidates(self, job: Mapping[str, Any]) -> list[str]:
        """Every online server that could take such a job, with or without room for it now."""
        return list(self._placing.candidates(job).servers)

    def entered(self, job: ActiveJob) -> None:
        """A new job is in the book."""
        if job.state == "ready":
            self._entered(job)

    def finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """End a job that runs on no server."""
        self._end(job, result)

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work` in a task of the term."""
        self._spawn(work)

    async def _start_workflow(self, job: ActiveJob) -> None:
        """Make a workflow job active and begin its run; a multiplex job begins by itself."""
        if not self._graphs.takes(job):
            await self._multiplexer.start(job)
            return
        now = clock.now()
        job.remove("until", "position", "queued")
        job.set(state="active", started=now, updated=now, progress=0)
        event = str(job.job["event"])
        job.say(
            JobStarted(job_id=job.id, event_id=event, server_id="", attempt=1, workflow=True, **job.story())
        )
        await self.book.save(job)
        await self.actions.run_for_job(job, ("start",))
        if (reason := job.job.get("abort_reason")) is not None:
            await self._graphs.abort(job, str(reason))
        else:
            await self._graphs.begin(job)

    def _abort_workflow(self, job: ActiveJob, reason: str) -> None:
        if self._graphs.takes(job):
            self._spawn(self._graphs.abort(job, reason))
        else:
            self._multiplexer.abort(job, reason)

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
        self._dispatcher.left(job)
        self._multiplexer.left(job)
        self._graphs.forget(job.id)

    def _end(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        if self._finisher.is_ending(job.id):
            return  # what it waits for at its end is not ours to release
        moved = timelines.nothing_moved()
        known = {key: job.job.get(key) or moved[key] for key in moved}
        job.remove(TEMPLATE, "resumed", "queued", "suspended")
        self._spawn(self._finisher.finish(job, {**known, **result}))

    def _abort_by_limit(self, job_id: str, reason: str, *, retry_ok: bool) -> None:
        self.abort(job_id, reason, retry_ok=retry_ok)

    async def _tick(self) -> None:
        steps = ClockSteps()
        while True:
            await asyncio.sleep(self._tick_seconds)
            if step := steps.step():
                for job in move(list(self.book), step):
                    self.book.mark(job)
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
            self._spawn(self._graphs.tick())
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
            if job.job.get("type") == "workflow" and not self._graphs.takes(job):
                self._multiplexer.look_at(job, now)
            self._watching.look_at(job, now)
