"""Launch: from an order to a job that is promised."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.jobs import multiplex
from conductor.jobs.compose import Order, composed, meta_row
from conductor.jobs.limits import daily
from conductor.jobs.macros import expand_params
from conductor.live.book import ActiveJob, JobBook
from conductor.settings import Settings
from conductor.signals import Actor, JobAccepted, Signals
from shared import clock, faults, ids


class Launcher:
    """Composes jobs and writes them to the book. What happens to them then is the dispatcher's affair."""

    def __init__(
        self,
        book: JobBook,
        definitions: Definitions,
        settings: Settings,
        signals: Signals,
        accepted: Callable[[ActiveJob], None],
        counted_today: Callable[[str, str], int] = lambda event_id, condition: 0,
    ) -> None:
        """`counted_today` answers how often an event's jobs met a condition today."""
        self._book = book
        self._definitions = definitions
        self._settings = settings
        self._signals = signals
        self._accepted = accepted
        self._counted_today = counted_today
        self._host = settings.host_id()
        self._recent: deque[float] = deque()

    async def launch(self, order: Order, actor: Actor) -> str:
        """Answer the ID of the job, which from now on runs exactly once whatever dies.

        Raises Refusal (code `event`) when the job may not be launched, Unavailable when it cannot be promised.
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
        self._refuse_by_day(job)
        if multiplex.wanted(job):
            job = multiplex.parent(job, order.event, self._settings)
        self._brake()
        text = f"Job starting: #{job['id']} (source: {order.source})"
        details["activity"] = [meta_row(self._host, text, now)]
        active = ActiveJob(job, details)
        faults.reach("conductor.accept")
        job_id = await self._book.accept(
            active,
            idempotency_key=order.idempotency_key,
            keep_seconds=self._settings.idempotency_seconds,
        )
        faults.reach("conductor.accepted")
        if job_id == active.id:
            self._signals.publish(
                JobAccepted(
                    job_id=job_id,
                    event_id=str(job["event"]),
                    actor=actor,
                    correlation_id=order.correlation_id,
                )
            )
            self._accepted(active)
        return job_id

    def _refuse_by_day(self, job: Mapping[str, Any]) -> None:
        """The `day` limits (contract jobs.md §8)."""
        event_id = str(job["event"])
        if text := daily.reached(job, lambda condition: self._counted_today(event_id, condition)):
            raise Refusal("event", f"Failed to launch event: {text}")

    def _brake(self) -> None:
        """The global cap on launches a minute; off unless set."""
        most = self._settings.max_jobs_per_min
        if not most:
            return
        now = clock.monotonic()
        while self._recent and self._recent[0] <= now - 60:
            self._recent.popleft()
        if len(self._recent) >= most:
            raise Refusal("event", f"Failed to launch event: Maximum of {most} jobs per minute reached.")
        self._recent.append(now)
