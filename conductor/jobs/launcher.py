"""Launch: from an order to a job that is promised."""

import asyncio
from collections.abc import Callable

from conductor.definitions.repository import Definitions
from conductor.jobs.brake import Brake
from conductor.jobs.compose import Order, composed, meta_row
from conductor.jobs.macros import expand_params
from conductor.live.book import ActiveJob, JobBook
from conductor.settings import Settings
from conductor.signals import Actor, JobAccepted, Signals
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
        signals: Signals,
        accepted: Callable[[ActiveJob], None],
    ) -> None:
        self._book = book
        self._definitions = definitions
        self._settings = settings
        self._signals = signals
        self._accepted = accepted
        self._host = settings.host_id()
        self._brake = Brake(settings.max_jobs_per_min)

    async def launch(self, order: Order, actor: Actor) -> str:
        """Answer the ID of the job, which from now on runs exactly once whatever dies.

        An order whose idempotency key or firing has made a job before is answered with that job. Raises
        Refusal (code `event`) when the job may not be launched, Unavailable when it cannot be promised.
        """
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
        rows = [meta_row(self._host, f"Job starting: #{job['id']} (source: {order.source})", now)]
        if wait := self._brake.wait(clock.monotonic(), patient=order.patient):
            job.update(state="start_delay", until=max(order.until, now + wait))
            text = f"Start delayed by {wait:.0f} seconds: maximum of jobs per minute reached."
            rows.append(meta_row(self._host, text, now))
        details["activity"] = rows
        active = ActiveJob(job, details)
        faults.reach("conductor.accept")
        job_id = await self._book.accept(
            active,
            idempotency_key=order.idempotency_key,
            keep_seconds=self._settings.idempotency_seconds,
            firing=order.firing,
        )
        faults.reach("conductor.accepted")
        if job_id == active.id:
            self._announce(active, order, actor)
            self._hand_over(active)
        return job_id

    def _announce(self, job: ActiveJob, order: Order, actor: Actor) -> None:
        if order.fired is not None:
            self._signals.publish(order.fired)
        self._signals.publish(
            JobAccepted(
                job_id=job.id,
                event_id=str(job.job["event"]),
                actor=actor,
                correlation_id=order.correlation_id,
            )
        )

    def _hand_over(self, job: ActiveJob) -> None:
        """Now, or when its start delay is over."""
        wait = float(job.job.get("until") or 0) - clock.now()
        if wait <= 0:
            self._accepted(job)
        elif wait <= _TIMED_SECONDS:
            # When the term has ended meanwhile the next one has the job, and nothing comes of this call.
            asyncio.get_running_loop().call_later(wait, self._due, job)

    def _due(self, job: ActiveJob) -> None:
        if job.id in self._book and job.state == "start_delay":
            self._accepted(job)
