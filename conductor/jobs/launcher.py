"""Launch: from an order to a job that is promised."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import structs

from conductor.audit import causes
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.jobs import multiplex
from conductor.jobs.brake import Brake
from conductor.jobs.compose import Order, composed, meta_row
from conductor.jobs.limits import daily
from conductor.jobs.macros import expand_params
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.settings import Settings
from conductor.signals import Actor, JobAccepted
from shared import clock, faults, ids

_TIMED_SECONDS = 120.0
"""Delays up to this long end to the moment; longer ones with the next look at all waiting jobs."""


class Launcher:
    """Composes jobs and writes them to the book. What happens to them then is the dispatcher's affair."""

    def __init__(
        self,
        book: JobBook,
        definitions: Definitions,
        settings: Settings,
        accepted: Callable[[ActiveJob], None],
        counted_today: Callable[[str, str], int] = lambda event_id, condition: 0,
    ) -> None:
        """`counted_today` answers how often an event's jobs met a condition today."""
        self._book = book
        self._definitions = definitions
        self._settings = settings
        self._accepted = accepted
        self._counted_today = counted_today
        self._host = settings.host_id()
        self._brake = Brake(settings.max_jobs_per_min)

    async def launch(self, order: Order, actor: Actor) -> str:
        """Answer the ID of the job, which from now on runs exactly once whatever dies.

        An order whose idempotency key or firing has made a job before is answered with that job. Raises
        Refusal (code `event`) when the job may not be launched, Unavailable when it cannot be promised.
        """
        active = self.composed(order)
        if self.brake(active, patient=order.patient):
            text = "Start delayed: maximum of jobs per minute reached."
            active.details["activity"].append(meta_row(self._host, text, clock.now()))
        # The schedule has made a story already; whoever asked without one begins a new one.
        active.job.setdefault("correlation_id", ids.story_id())
        self._announce(active, order, actor)
        faults.reach("conductor.accept")
        job_id = await self._book.accept(
            active,
            idempotency_key=order.idempotency_key,
            keep_seconds=self._settings.idempotency_seconds,
            firing=order.firing,
        )
        faults.reach("conductor.accepted")
        if job_id == active.id and active.state == "ready":
            self._accepted(active)  # a delay is kept by the census, which tells when it is over
        return job_id

    def composed(self, order: Order) -> ActiveJob:
        """The job of an order, in no book yet. Raises Refusal (`event`)."""
        drafted = self.drafted(order)
        job = drafted.job
        if text := self.over_day_limit(job):
            raise Refusal("event", text)
        if multiplex.wanted(job):
            job = multiplex.parent(job, order.event, self._settings)
        text = f"Job starting: #{job['id']} (source: {order.source})"
        drafted.details["activity"] = [meta_row(self._host, text, clock.now())]
        return ActiveJob(job, drafted.details)

    def drafted(self, order: Order) -> ActiveJob:
        """As `composed`, with no regard to the day's limits and before it becomes the parent of others."""
        now = clock.now()
        job, details = composed(
            order,
            self._definitions.get("categories", str(order.event.get("category"))),
            self._definitions.get("plugins", str(order.event.get("plugin"))),
            self._settings,
            job_id=ids.short_id("j"),
            now=now,
        )
        expand_params(job, details)
        return ActiveJob(job, details)

    def braked(self) -> float:
        """Seconds that a launch by the schedule would be delayed now, by the cap on launches a minute."""
        return self._brake.ahead(clock.monotonic())

    def brake(self, job: ActiveJob, *, patient: bool = True) -> bool:
        """Delay the start of a job that is one too many in this minute; whether it is one.

        Raises Refusal (`event`) instead when its caller is not `patient`.
        """
        wait = self._brake.wait(clock.monotonic(), patient=patient)
        if wait:
            job.job.update(
                state="start_delay", until=max(float(job.job.get("until") or 0), clock.now() + wait)
            )
        return bool(wait)

    def over_day_limit(self, job: Mapping[str, Any]) -> str:
        """Why the `day` limits refuse the job (contract jobs.md §8); empty when they do not."""
        event_id = str(job["event"])
        text = daily.reached(job, lambda condition: self._counted_today(event_id, condition))
        return f"Failed to launch event: {text}" if text else ""

    def _announce(self, job: ActiveJob, order: Order, actor: Actor) -> None:
        """With the write that promises the job, unless the same key or firing had made one before."""
        story, cause, event = job.story(), order.causation_id, str(job.job["event"])
        if (fired := order.fired) is not None:
            job.say(structs.replace(fired, category=story["category"]))
            cause = causes.fired(fired.event_id, fired.minute, fired.correlation_id)
        job.say(
            JobAccepted(job_id=job.id, event_id=event, job=job.job, actor=actor, causation_id=cause, **story)
        )
