"""The jobs room as actions see it: fills `conductor.actions.ports.Jobs`."""

from collections.abc import Mapping
from typing import Any

from conductor.errors import Refusal
from conductor.jobs.compose import Order
from conductor.jobs.engine import JobEngine
from conductor.jobs.macros import expand_params
from conductor.jobs.notes import note
from conductor.live.book import JobBook
from conductor.live.job import ActiveJob
from conductor.signals import SYSTEM
from shared import clock

_OUTPUT_BYTES = 64 * 1024
_OVERRIDABLE = ("targets", "algo", "expression", "label", "icon", "tags", "notes", "priority")


class JobsForActions:
    """Made before the engine, which `open`s it: each needs the other."""

    def __init__(self, book: JobBook, host: str) -> None:
        self._book = book
        self._host = host
        self._engine: JobEngine | None = None

    def open(self, engine: JobEngine) -> None:
        self._engine = engine

    async def launch(
        self,
        event: Mapping[str, Any],
        *,
        source: str,
        idempotency_key: str,
        start_delay: float = 0.0,
        start_trigger: str = "",
        correlation_id: str = "",
        causation_id: str = "",
    ) -> str:
        """See Launcher.launch. `username` is that of the event's creator (jobs.md §1)."""
        if self._engine is None:
            raise Refusal("event", "The job engine has not begun.")
        order = Order(
            event=event,
            source=source,
            username=str(event.get("username") or ""),
            idempotency_key=idempotency_key,
            correlation_id=correlation_id,
            causation_id=causation_id,
            until=clock.now() + start_delay if start_delay > 0 else 0,
            start=start_trigger,
        )
        return await self._engine.launch(order, SYSTEM)

    def abort(self, job_id: str, reason: str) -> None:
        if self._engine is not None and job_id in self._book:
            self._engine.abort(job_id, reason)

    def note(self, job: ActiveJob, text: str) -> None:
        note(job, self._host, text, clock.now())

    def changed(self, job_id: str) -> None:
        if self._engine is not None:
            self._engine.followers.changed(job_id)

    def merge_params(self, job: ActiveJob, params: Mapping[str, Any]) -> None:
        """Set parameters of a job that waits to start; their macros and `_xy_override_…` hold as at a launch.

        The job's own parameters are expanded already and stay as they are. Raises BadParameter.
        """
        given = {**job.job, "params": dict(params)}
        expand_params(given, job.details)
        changes = {key: given[key] for key in _OVERRIDABLE if given.get(key) != job.job.get(key)}
        job.update({**changes, "params": {**(job.job.get("params") or {}), **given["params"]}})

    def output(self, job: ActiveJob) -> str:
        if job.details.get("output") or self._engine is None:
            return str(job.details.get("output") or "")
        return self._engine.logs.tail(job.id, _OUTPUT_BYTES).decode(errors="replace")
