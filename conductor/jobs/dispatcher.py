"""Dispatch: takes promised jobs to a server, or lets them wait, or ends them.

Decisions come from `admission` and `placement`; this module carries them out. Assignments are written to
the book before the satellite hears of them.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import Unavailable
from conductor.jobs import admission, limits
from conductor.jobs.actions import Actions, NoActions
from conductor.jobs.agents import Agents
from conductor.jobs.census import Census
from conductor.jobs.followers import Followers
from conductor.jobs.macros import target_expression
from conductor.jobs.notes import note
from conductor.jobs.placement import NO_SERVER, Fleet, Placement, place
from conductor.live.book import ActiveJob, JobBook
from conductor.signals import JobStarted, Signals
from shared import clock, faults

_RETRY_SECONDS = 1.0
_START = ("start",)

log = structlog.get_logger(__name__)

End = Callable[[ActiveJob, dict[str, Any]], None]
Spawn = Callable[[Coroutine[Any, Any, object]], None]


class Dispatcher:
    def __init__(
        self,
        book: JobBook,
        agents: Agents,
        definitions: Definitions,
        state: GlobalState,
        signals: Signals,
        followers: Followers,
        census: Census,
        *,
        host: str,
        end: End,
        spawn: Spawn,
        actions: Actions | None = None,
    ) -> None:
        """`end` finishes a job with the given result properties; `spawn` runs a coroutine as an owned task."""
        self._book = book
        self._agents = agents
        self._definitions = definitions
        self._state = state
        self._signals = signals
        self._followers = followers
        self._census = census
        self._host = host
        self._end = end
        self._spawn = spawn
        self._actions = actions or NoActions()
        self._acting: set[str] = set()
        """Jobs whose start actions run."""
        self._in_hand: set[str] = set()
        self._robin: dict[str, int] = {}
        """The next index of each round_robin event, ahead of what is stored."""

    def examine(self, job: ActiveJob) -> None:
        """Look at a job that waits to be started; it is in nobody else's hand."""
        if job.id not in self._in_hand and job.id in self._book:
            self._in_hand.add(job.id)
            self._spawn(self._examine(job))

    def holds(self, job_id: str) -> bool:
        """Whether the job is being decided on or assigned: its satellite has not heard of it yet."""
        return job_id in self._in_hand

    def acts_on(self, job_id: str) -> bool:
        """Whether the job's start actions run: it ends when they have."""
        return job_id in self._acting

    def abort(self, job: ActiveJob, reason: str) -> None:
        """End a job whose start actions run, as soon as they have (jobs.md §14)."""
        job.set(code="abort", description=reason, complete=True)
        self._book.mark(job)
        self._actions.release(job)

    def examine_waiting(self) -> None:
        """Look at every job that might go on now: each second, and when a server joins."""
        now = clock.now()
        for job in list(self._book):
            state = job.state
            if state in ("ready", "starting") or (
                state in ("start_delay", "retry_delay") and now >= limits.number(job.job.get("until"))
            ):
                self.examine(job)
        for event_id in self._census.queues():
            self._number(event_id)
            self.examine_queue_of(event_id)

    def examine_queue_of(self, event_id: str) -> None:
        """A slot may have become free: the next in the event's line may start."""
        head = self._census.first_of(event_id)
        if head is not None and (job := self._book.get(head)) is not None:
            self.examine(job)

    def _number(self, event_id: str) -> None:
        """Those who wait have moved up. Not written to the book: the next primary counts for itself."""
        for position, job_id in enumerate(self._census.queue_of(event_id), 1):
            job = self._book.get(job_id)
            if job is not None and job.job.get("position") != position:
                job.job["position"] = position
                self._followers.changed(job_id)

    async def _examine(self, job: ActiveJob) -> None:
        try:
            if job.job.get("complete"):
                if (
                    job.state == "starting"
                ):  # aborted during its start actions, in this term or an earlier one
                    self._end_as_asked(job)
                return  # its end was asked for meanwhile
            while (decision := self._decide(job)) and isinstance(decision, Placement):
                if await self._assign(job, decision):
                    return
            if isinstance(decision, admission.Queue):
                await self._queue(job, decision)
            elif isinstance(decision, admission.Abort):
                self._end(
                    job, {"code": "abort", "description": decision.reason, "retry_ok": decision.retry_ok}
                )
        except Unavailable as error:
            log.warning("a job waits, its book cannot be written", job=job.id, error=str(error))
        finally:
            self._in_hand.discard(job.id)

    def _decide(self, job: ActiveJob) -> Placement | admission.Queue | admission.Abort | None:
        """None: leave the job as it is for now."""
        event = self._definitions.get("events", str(job.job.get("event")))
        if not job.job.get("test") and (event is None or not event.get("enabled")):
            return admission.Abort("Event has been disabled or deleted.")
        if job.state == "retry_delay" and clock.now() < limits.number(job.job.get("until")):
            return None
        others = self._census.siblings(job)
        if job.state == "starting":  # it holds its slot; a server too, unless it was suspended
            if job.server in self._agents.online:
                return Placement(job.server, ())
        else:
            admitted = admission.admit(job.job, others)
            if not isinstance(admitted, admission.Start):
                return None if self._queued_already(job, admitted) else admitted
        placement = self._place(job, self._agents.online)
        if placement.server:
            return placement
        if placement.problem == NO_SERVER and self._place(job, self._agents.expected).server:
            return None  # a satellite that was here before the take-over is on its way back
        waiting = admission.enqueue(job.job, others, placement.problem, retry_ok=True)
        return None if self._queued_already(job, waiting) else waiting

    @staticmethod
    def _queued_already(job: ActiveJob, decision: admission.Admission) -> bool:
        return isinstance(decision, admission.Queue) and job.state == "queued"

    def _place(self, job: ActiveJob, servers: Mapping[str, Mapping[str, Any]]) -> Placement:
        groups = {str(group["id"]): group for group in self._definitions.all("groups")}
        fleet = Fleet(servers, groups, self._census.load, self._census.busy)
        event = str(job.job["event"])
        robin = self._robin.get(event)
        if robin is None:
            robin = int(limits.number(self._state.get(f"events/{event}").get("robin")))
        return place(job.job, fleet, robin=robin, matches=target_expression)

    async def _assign(self, job: ActiveJob, placement: Placement) -> bool:
        """Write the assignment, then tell the satellite; False when its server left meanwhile."""
        server = self._agents.online.get(placement.server or "")
        if server is None or job.id not in self._book:
            return job.id not in self._book
        now = clock.now()
        acted = job.state == "starting"
        waited = job.state == "queued"
        if placement.robin is not None:
            event = str(job.job["event"])
            self._robin[event] = placement.robin
            self._spawn(self._state.merge(f"events/{event}", {"robin": placement.robin}))
        if self._actions.due(job, _START):
            return await self._act(job, server)
        job.attempt += 1
        job.set(
            state="active",
            started=now,
            updated=now,
            progress=0,
            server=server["id"],
            groups=list(server.get("groups") or ()),
            remote=True,
        )
        job.remove("until", "position")
        note(job, self._host, f"Chose server: {server.get('title') or server.get('hostname')}", now)
        if waited:
            self.examine_queue_of(str(job.job["event"]))  # there may be room for the next one too
        if not await self._written(job):
            return True
        faults.reach("conductor.assigned")
        self._agents.launch(str(server["id"]), job.job, job.details, job.attempt)
        faults.reach("conductor.sent")
        self._followers.changed(job.id)
        self._signals.publish(
            JobStarted(
                job_id=job.id,
                event_id=str(job.job["event"]),
                server_id=str(server["id"]),
                attempt=job.attempt,
            )
        )
        if not acted:
            await self._actions.run_for_job(job, _START)  # nothing is due: this tells those who count
        return True

    async def _act(self, job: ActiveJob, server: Mapping[str, Any]) -> bool:
        """Run the start actions; then the job is decided on again, and goes to its server if that is still there.

        What has run is marked in the book, so that nothing of it runs a second time.
        """
        job.set(state="starting", server=server["id"], groups=list(server.get("groups") or ()))
        job.remove("until", "position")
        if not await self._written(job):
            return True
        self._followers.changed(job.id)
        self._acting.add(job.id)
        try:
            await self._actions.run_for_job(job, _START)
        finally:
            self._acting.discard(job.id)
        if self._over(job):
            self._end_as_asked(job)
            return True
        return False

    def _end_as_asked(self, job: ActiveJob) -> None:
        self._end(job, {"code": "abort", "description": str(job.job.get("description") or "")})

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
        job.set(state="queued", position=place_in_line.position)
        note(job, self._host, "Job is queued.", clock.now())
        await self._book.save(job)
        self._followers.changed(job.id)
