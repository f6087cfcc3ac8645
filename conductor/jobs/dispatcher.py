"""Dispatch: takes promised jobs to a server, or lets them wait, or ends them.

Decisions come from `admission` and `placement`; this module carries them out. Assignments are written to
the book before the satellite hears of them.
"""

from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import structlog

from conductor.definitions.repository import Definitions
from conductor.definitions.state import GlobalState
from conductor.errors import Unavailable
from conductor.jobs import admission, limits
from conductor.jobs.agents import Agents
from conductor.jobs.followers import Followers
from conductor.jobs.macros import target_expression
from conductor.jobs.notes import note
from conductor.jobs.placement import NO_SERVER, Fleet, Placement, place
from conductor.live.book import ActiveJob, JobBook
from conductor.signals import JobStarted, Signals
from shared import clock, faults

log = structlog.get_logger(__name__)

End = Callable[[ActiveJob, dict[str, Any]], None]
Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Dispatcher:
    def __init__(
        self,
        book: JobBook,
        agents: Agents,
        definitions: Definitions,
        state: GlobalState,
        signals: Signals,
        followers: Followers,
        *,
        host: str,
        end: End,
        spawn: Spawn,
    ) -> None:
        """`end` finishes a job with the given result properties; `spawn` runs a coroutine as an owned task."""
        self._book = book
        self._agents = agents
        self._definitions = definitions
        self._state = state
        self._signals = signals
        self._followers = followers
        self._host = host
        self._end = end
        self._spawn = spawn
        self._in_hand: set[str] = set()
        self._robin: dict[str, int] = {}
        """The next index of each round_robin event, ahead of what is stored."""

    def examine(self, job: ActiveJob) -> None:
        """Look at a job that waits to be started; it is in nobody else's hand."""
        if job.id not in self._in_hand and job.id in self._book:
            self._in_hand.add(job.id)
            self._spawn(self._examine(job))

    def examine_waiting(self) -> None:
        """Look at every job that might go on now: each second, and when a server joins."""
        now = clock.now()
        queued: dict[str, list[ActiveJob]] = {}
        for job in list(self._book):
            state = job.state
            if state == "queued":
                queued.setdefault(str(job.job.get("event")), []).append(job)
            elif state == "ready" or (
                state in ("start_delay", "retry_delay") and now >= job.job.get("until", 0)
            ):
                self.examine(job)
        for jobs in queued.values():
            self._examine_queue(jobs)

    def examine_queue_of(self, event_id: str) -> None:
        """A job of the event has ended: the next in line may start."""
        queued = [job for job in self._book.of_event(event_id) if job.state == "queued"]
        if queued:
            self._examine_queue(queued)

    def _examine_queue(self, jobs: list[ActiveJob]) -> None:
        by_id = {job.id: job for job in jobs}
        head = admission.next_in_line([job.job for job in jobs])[0]
        self.examine(by_id[head["id"]])

    async def _examine(self, job: ActiveJob) -> None:
        try:
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
        if (
            job.job.get("retry_count")
            and job.state == "retry_delay"
            and clock.now() < job.job.get("until", 0)
        ):
            return None
        others = self._siblings(job)
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

    def _siblings(self, job: ActiveJob) -> admission.Siblings:
        if limits.first(job.job, "job") is None:
            return admission.Siblings(0, 0)
        similar = self._book.of_event(str(job.job.get("event")))
        return admission.siblings(job.id, [other.job for other in similar])

    @staticmethod
    def _queued_already(job: ActiveJob, decision: admission.Admission) -> bool:
        return isinstance(decision, admission.Queue) and job.state == "queued"

    def _place(self, job: ActiveJob, servers: Mapping[str, Mapping[str, Any]]) -> Placement:
        load: Counter[str] = Counter()
        count: Counter[str] = Counter()
        groups = {str(group["id"]): group for group in self._definitions.all("groups")}
        if self._needs_load(job, servers, groups):
            for other in self._book:
                if other.server and other.id != job.id:
                    load[other.server] += limits.weight(other.job)  # type: ignore[assignment]
                    count[other.server] += 1
        event = str(job.job["event"])
        robin = self._robin.get(event) or int(self._state.get(f"events/{event}").get("robin") or 0)
        return place(job.job, Fleet(servers, groups, load, count), robin=robin, matches=target_expression)

    @staticmethod
    def _needs_load(job: ActiveJob, online: Any, groups: Any) -> bool:
        """Whether it matters how busy the servers are: adding that up costs a pass over the book."""
        return (
            job.job.get("algo") == "fewest_jobs"
            or any(server.get("maxJobs") for server in online.values())
            or any(group.get("max_jobs_per_server") for group in groups.values())
        )

    async def _assign(self, job: ActiveJob, placement: Placement) -> bool:
        """Write the assignment, then tell the satellite; False when its server left meanwhile."""
        server = self._agents.online.get(placement.server or "")
        if server is None or job.id not in self._book:
            return job.id not in self._book
        now = clock.now()
        if placement.robin is not None:
            event = str(job.job["event"])
            self._robin[event] = placement.robin
            self._spawn(self._state.merge(f"events/{event}", {"robin": placement.robin}))
        before, told = dict(job.job), job.details.get("activity")
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
        try:
            await self._book.save(job)
        except Unavailable:
            self._take_back(job, before, told)
            raise
        faults.reach("conductor.assigned")
        if job.id not in self._book or job.job.get("complete"):
            return True
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
        return True

    def _take_back(self, job: ActiveJob, before: Mapping[str, Any], told: Any) -> None:
        """The assignment may not be in the book, so that nobody heard of it: the job waits as it did."""
        if not job.job.get("complete"):
            job.remove(*(job.job.keys() - before.keys()))
            job.update(before)
            job.set_details(activity=told)
            self._book.mark(job)

    async def _queue(self, job: ActiveJob, place_in_line: admission.Queue) -> None:
        job.set(state="queued", position=place_in_line.position)
        note(job, self._host, "Job is queued.", clock.now())
        await self._book.save(job)
        self._followers.changed(job.id)
