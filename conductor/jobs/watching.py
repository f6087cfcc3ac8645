"""A running job, each second: its runtime limits, and whether anybody still hears of it (jobs.md §8, §16)."""

from collections.abc import Callable
from typing import Any, Protocol

from conductor.jobs import limits
from conductor.jobs.agents import Agents
from conductor.jobs.compose import meta_row, words
from conductor.jobs.followers import Followers
from conductor.jobs.limits.notices import tells
from conductor.jobs.notes import add
from conductor.jobs.telling import LimitTelling
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.settings import Settings
from conductor.signals import Activity


class Abort(Protocol):
    def __call__(self, job_id: str, reason: str, *, retry_ok: bool) -> None: ...


class Watching:
    def __init__(
        self,
        book: JobBook,
        agents: Agents,
        followers: Followers,
        telling: LimitTelling,
        settings: Settings,
        *,
        abort: Abort,
        end: Callable[[ActiveJob, dict[str, Any]], None],
    ) -> None:
        """`abort` asks for a job's end, `end` ends it now."""
        self._book = book
        self._agents = agents
        self._followers = followers
        self._telling = telling
        self._host = settings.host_id()
        self._dead_after = settings.dead_job_timeout
        self._abort = abort
        self._end = end

    def look_at(self, job: ActiveJob, now: float) -> None:
        """At a job that is active or finishing. One that is suspended is left in peace."""
        if job.job.get("suspended"):
            job.job["updated"] = now
        elif not self._dead(job, now) and job.state == "active" and "abort_reason" not in job.job:
            self._limits(job, now)

    def _dead(self, job: ActiveJob, now: float) -> bool:
        if now - (limits.number(job.job.get("updated")) or now) < self._dead_after:
            return False
        if job.server in self._agents.online and self._agents.lists_its_jobs(job.server):
            job.job["updated"] = now  # its satellite is here and would have said that it is lost
            return False
        text = f"No updates received in last {self._dead_after:g} seconds, assuming job is dead."
        self._end(job, {"code": "abort", "description": text, "retry_ok": True, "given_up": True})
        return True

    def _limits(self, job: ActiveJob, now: float) -> None:
        fired = limits.exceeded(job.job, now)
        if fired is None:
            return
        limit, message = fired
        tags = [*words(job.job.get("tags")), *words(limit.get("tags"))]
        limit.update(date=now, msg=message, code=0)
        job.set(limits=job.job["limits"], tags=list(dict.fromkeys(tags)))
        told = {key: limit[key] for key in ("type", "amount", "duration", "source") if key in limit}
        add(job, {**meta_row(self._host, message, now), "limit": told})
        job.say(
            Activity(
                action="job_limit",
                description=message,
                payload={"job": job.id, "limit": told},
                resource=("job", job.id),
                **job.story(),
            )
        )
        self._book.mark(job)
        self._followers.changed(job.id)
        # The end first: whom it is told to may take long to answer.
        if limit.get("abort"):
            self._abort(job.id, message, retry_ok=True)
        if tells(limit):
            self._telling.tell(job, limit)
