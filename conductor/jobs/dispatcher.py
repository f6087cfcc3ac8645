"""Dispatch: takes promised jobs to a server, or lets them wait, or ends them.

Decisions come from `admission` and `placement`; this module carries them out. Assignments are written to
the book before the satellite hears of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from conductor.definitions.repository import Definitions
from conductor.errors import Unavailable
from conductor.jobs import admission, limits
from conductor.jobs.agents import Agents
from conductor.jobs.census import Census
from conductor.jobs.delays import STATES as DELAYED
from conductor.jobs.followers import Followers
from conductor.jobs.limits.input_files import prune
from conductor.jobs.lines import kind_of, line_of
from conductor.jobs.notes import note
from conductor.jobs.placement import NO_SERVER, Placement, Refused
from conductor.jobs.placing import Placing
from conductor.jobs.starting import Starting
from conductor.jobs.turns import Turns
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import JobQueued, JobStarted
from shared import clock, faults

_RETRY_SECONDS = 1.0
_ASKED_TOGETHER = 8
"""Queues that are asked when a server has room again; the others take their turn."""
_NAMED_SERVERS = 20
"""Refused servers that a job's activity log names, each with its reason."""

log = structlog.get_logger(__name__)

End = Callable[[ActiveJob, dict[str, Any]], None]
Spawn = Callable[[Coroutine[Any, Any, object]], None]
Decision = Placement | admission.Admission


class Dispatcher:
    def __init__(
        self,
        book: JobBook,
        agents: Agents,
        definitions: Definitions,
        followers: Followers,
        census: Census,
        placing: Placing,
        starting: Starting,
        *,
        host: str,
        end: End,
        spawn: Spawn,
        start_workflow: Callable[[ActiveJob], Awaitable[None]],
    ) -> None:
        """`end` finishes a job with the given result properties; `spawn` runs a coroutine as an owned task.

        `start_workflow` begins a job that runs on no server itself.
        """
        self._book = book
        self._agents = agents
        self._definitions = definitions
        self._followers = followers
        self._census = census
        self._placing = placing
        self._starting = starting
        self._start_workflow = start_workflow
        self._host = host
        self._end = end
        self._spawn = spawn
        self._in_hand: set[str] = set()
        self._turns = Turns()

    def examine(self, job: ActiveJob) -> None:
        """Look at a job that waits to be started; it is in nobody else's hand."""
        if job.id not in self._in_hand and job.id in self._book:
            self._in_hand.add(job.id)
            self._spawn(self._examine(job))

    def holds(self, job_id: str) -> bool:
        """Whether the job is being decided on or assigned: its satellite has not heard of it yet."""
        return job_id in self._in_hand

    def due(self, job_id: str) -> None:
        """A job's delay is over."""
        job = self._book.get(job_id)
        if job is not None and job.state in DELAYED:
            job.set(state="ready")
            job.remove("until")
            self._book.mark(job)
            self.examine(job)

    def examine_waiting(self) -> None:
        """Look at every job that might go on now: each second, and when a server joins."""
        now = clock.now()
        for job_id in [*self._census.delays.due(now), *self._census.ready]:
            job = self._book.get(job_id)
            if job is not None and job.state in DELAYED:
                self.due(job_id)
            elif job is not None:
                self.examine(job)
        for line in self._census.moved():
            self._number(line)
        taking_turns = self._turns.all()
        for line in taking_turns:
            self.examine_queue(line)
        for line in self._census.queues():
            self.examine_queue(line)

    def examine_queue(self, line: str) -> None:
        """A slot may have become free: the next in the queue may start."""
        head = self._census.first_of(line)
        if head is not None and (job := self._book.get(head)) is not None:
            self.examine(job)
        else:
            self._turns.served(line)

    def left(self, job: ActiveJob) -> None:
        """A job has left the book, and with it a slot of its queue and room on its server."""
        line, kind = line_of(job.job), kind_of(job.job)
        if job.server and len(self._turns):
            for waiting in self._turns.next(_ASKED_TOGETHER):
                self.examine_queue(waiting)
        self.examine_queue(line)
        if kind != line:
            self.examine_queue(kind)  # jobs on their own count sub-jobs of their event

    def fleet_changed(self) -> None:
        """A server has come: whoever waits is looked at."""
        self._placing.renew()
        self.examine_waiting()

    def _number(self, line: str) -> None:
        """Those who wait have moved up. Not written to the book: the next primary counts for itself."""
        for position, job_id in enumerate(self._census.queue_of(line), 1):
            job = self._book.get(job_id)
            if job is not None and job.job.get("position") != position:
                job.job["position"] = position
                self._followers.changed(job_id)

    async def _examine(self, job: ActiveJob) -> None:
        try:
            if self._over(job):
                return  # its end was asked for meanwhile
            while isinstance(decision := self._decide(job), Placement):
                if await self._assign(job, decision):
                    return
            if isinstance(decision, admission.Start):
                await self._start_workflow(job)
            elif isinstance(decision, admission.Queue):
                await self._queue(job, decision)
            elif isinstance(decision, admission.Abort):
                self._end(
                    job, {"code": "abort", "description": decision.reason, "retry_ok": decision.retry_ok}
                )
        except Unavailable as error:
            log.warning("a job waits, its book cannot be written", job=job.id, error=str(error))
        finally:
            self._in_hand.discard(job.id)

    def _decide(self, job: ActiveJob) -> Decision | None:
        """None: leave the job as it is for now. Start: it needs no server."""
        event = self._definitions.get("events", str(job.job.get("event")))
        if not job.job.get("test") and (event is None or not event.get("enabled")):
            return admission.Abort("Event has been disabled or deleted.")
        now = clock.now()
        if job.state in DELAYED and now < limits.number(job.job.get("until")):
            return None
        if job.state == "queued" and (late := admission.overdue(job.job, now)):
            return admission.Abort(late)
        others = self._census.siblings(job)
        if not job.job.get("resumed"):
            admitted = admission.admit(job.job, others)
            if not isinstance(admitted, admission.Start):
                return None if self._queued_already(job, admitted) else admitted
        if job.job.get("type") == "workflow":
            return admission.Start()
        placement = self._placing.place(job.job)
        if placement.server:
            return placement
        if placement.problem == NO_SERVER and self._placing.may_come(job.job):
            return None  # a satellite that was here before the take-over is on its way back
        if not self._queued_already(job, None):
            self._note_refused(job, placement)
        return self.without_server(job, others, placement.problem)

    def without_server(
        self, job: ActiveJob, others: admission.Siblings, problem: str
    ) -> admission.Queue | admission.Abort | None:
        """No server can take the job now: it waits where its queue has room, in turn with other queues."""
        waiting = admission.enqueue(job.job, others, problem, retry_ok=True)
        if isinstance(waiting, admission.Queue):
            self._turns.wait(line_of(job.job), urgent=bool(job.job.get("priority")))
        return None if self._queued_already(job, waiting) else waiting

    async def no_server(self, job: ActiveJob, placement: Placement) -> None:
        """A job that is to run on several servers found none: as for one that needs one."""
        if self._placing.may_come(job.job):
            return
        if job.state != "queued":
            self._note_refused(job, placement)
        waiting = self.without_server(job, self._census.siblings(job), placement.problem)
        if isinstance(waiting, admission.Queue):
            await self._queue(job, waiting)
        elif waiting is not None:
            self._end(job, {"code": "abort", "description": waiting.reason, "retry_ok": waiting.retry_ok})

    @staticmethod
    def _queued_already(job: ActiveJob, decision: admission.Admission | None) -> bool:
        return (decision is None or isinstance(decision, admission.Queue)) and job.state == "queued"

    def _note_refused(self, job: ActiveJob, placement: Placement) -> None:
        """Each server that was a target and why it did not get the job, in the job's activity log."""
        now = clock.now()
        for server, reason in placement.refused[:_NAMED_SERVERS]:
            note(
                job,
                self._host,
                f"Server not available: {self._title(Refused(server, reason))}: {reason}",
                now,
            )
        if (more := len(placement.refused) - _NAMED_SERVERS) > 0:
            note(job, self._host, f"{more} more servers were not available.", now)
        if placement.warning:
            note(job, self._host, placement.warning, now)

    def _title(self, refused: Refused) -> str:
        server = self._agents.online.get(refused.server) or {}
        return str(server.get("title") or server.get("hostname") or refused.server)

    async def _assign(self, job: ActiveJob, placement: Placement) -> bool:
        """Write the assignment, then tell the satellite; False when its server left meanwhile."""
        server = self._agents.online.get(placement.server or "")
        if server is None or job.id not in self._book:
            return job.id not in self._book
        now = clock.now()
        waited = job.state == "queued"
        event = str(job.job["event"])
        if placement.robin is not None:
            self._spawn(self._placing.take_turn(event, placement.robin)())
        if placement.refused or placement.warning:
            self._note_refused(job, placement)
        note(job, self._host, f"Chose server: {server.get('title') or server.get('hostname')}", now)
        self._keep_files(job, now)
        chosen = {"server": server["id"], "groups": list(server.get("groups") or ())}
        job.remove("until", "position", "queued")
        if self._starting.wanted(job):
            job.set(state="starting", **chosen)
            self._freed(job, waited)
            if not await self._written(job) or not await self._starting.run(job):
                return True
            return await self._activate(job)
        _begin(job, now, chosen)
        self._freed(job, waited)
        if await self._written(job):
            await self._starting.announce(job)
            self._launch(job)
        return True

    async def _activate(self, job: ActiveJob) -> bool:
        """Its start actions are done. False when its server has left, or a resume asks for a new choice."""
        if job.server not in self._agents.online:
            job.remove("server", "groups")
            job.set(state="ready", resumed=True)
            return False
        job.remove("resumed")
        _begin(job, clock.now(), {})
        if await self._written(job):
            self._launch(job)
        return True

    def _freed(self, job: ActiveJob, waited: bool) -> None:
        if waited:
            line = line_of(job.job)
            self._turns.served(line)
            self.examine_queue(line)  # there may be room for the next one too

    def _launch(self, job: ActiveJob) -> None:
        faults.reach("conductor.assigned")
        self._agents.launch(job.server, job.job, job.details, job.attempt)
        faults.reach("conductor.sent")
        self._followers.changed(job.id)

    def _keep_files(self, job: ActiveJob, now: float) -> None:
        """The `file` limit: before start actions, so that what they fetch is not counted (§8)."""
        limit = limits.first(job.job, "file")
        given = job.details.get("input")
        files = given.get("files") if isinstance(given, dict) else None
        if limit is None or not isinstance(given, dict) or not isinstance(files, list) or not files:
            return
        kept = prune(limit, files)
        for name, reason in kept.left[:_NAMED_SERVERS]:
            note(job, self._host, f"Input file is left out: {name} ({reason}).", now)
        if kept.left:
            job.set_details(input={**given, "files": kept.files})

    async def _written(self, job: ActiveJob) -> bool:
        """Whether the job is to go on, once the book has it: a satellite must not hear of it before."""
        while True:
            try:
                await self._book.save(job)
            except Unavailable as error:
                log.warning("an assigned job waits for the book", job=job.id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                return not self._over(job)
            if self._over(job):
                return False

    def _over(self, job: ActiveJob) -> bool:
        return job.id not in self._book or bool(job.job.get("complete"))

    async def _queue(self, job: ActiveJob, place_in_line: admission.Queue) -> None:
        now = clock.now()
        job.remove("until")
        job.set(state="queued", position=place_in_line.position, queued=now)
        note(job, self._host, "Job is queued.", now)
        job.say(JobQueued(job_id=job.id, event_id=str(job.job["event"]), since=now, **job.story()))
        await self._book.save(job)
        self._followers.changed(job.id)


def _begin(job: ActiveJob, now: float, chosen: Mapping[str, Any]) -> None:
    """A new attempt of the job is under way."""
    job.attempt += 1
    if "waited" not in job.job:  # `started` has been the time of its launch so far
        job.set(waited=round(max(now - limits.number(job.job.get("started")), 0.0), 3))
    job.set(state="active", started=now, updated=now, progress=0, remote=True, **chosen)
    event = str(job.job["event"])
    job.say(
        JobStarted(job_id=job.id, event_id=event, server_id=job.server, attempt=job.attempt, **job.story())
    )
