"""The jobs room as workflows see it: fills `conductor.workflows.ports.SubJobs` and `Fleet`."""

from collections.abc import Coroutine, Mapping
from typing import Any

from conductor.errors import Refusal
from conductor.jobs import notes
from conductor.jobs.compose import Order, meta_row
from conductor.jobs.engine import JobEngine
from conductor.jobs.outcome import conditions
from conductor.live.job import ActiveJob
from shared import clock

_DETAILS = ("input", "workflowData")


class JobsForWorkflows:
    """Made before the engine, which `open`s it: each needs the other."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._opened: JobEngine | None = None

    def open(self, engine: JobEngine) -> None:
        self._opened = engine

    @property
    def _engine(self) -> JobEngine:
        if self._opened is None:
            raise Refusal("event", "The job engine has not begun.")
        return self._opened

    def compose(self, parent: ActiveJob, event: Mapping[str, Any], extra: Mapping[str, Any]) -> ActiveJob:
        """A sub-job that is in no book yet. Raises Refusal (`event`)."""
        order = Order(
            event={**event, **{key: extra[key] for key in _DETAILS if key in extra}},
            source="workflow",
            username=str(parent.job.get("username") or ""),
            correlation_id=str(parent.job.get("correlation_id") or ""),
            now=float(parent.job.get("now") or 0),
        )
        link = event["workflow"]
        job = self._engine.launcher.composed(order)
        own = job.job.get("workflow")
        job.job["workflow"] = {**(own if isinstance(own, dict) else {}), **link}
        job.job.update({key: value for key, value in extra.items() if key not in _DETAILS})
        if self._engine.launcher.brake(job):
            notes.note(job, self._host, "Start delayed: maximum of jobs per minute reached.", clock.now())
        return job

    def entered(self, job: ActiveJob) -> None:
        self._engine.entered(job)

    def abort(self, job_id: str, reason: str) -> None:
        if job_id in self._engine.book:
            self._engine.abort(job_id, reason)

    def finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        self._engine.finish(job, result)

    def conditions(self, record: Mapping[str, Any]) -> frozenset[str]:
        return frozenset() if record.get("retried") else frozenset(conditions(record))

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        self._engine.spawn(work)

    def eligible(self, targets: list[str], expression: str) -> list[str]:
        """Raises ExpressionError when `expression` cannot be compiled."""
        if expression:
            from shared.expressions import compile_expression  # its grammar is loaded when it is needed

            compile_expression(expression)
        wanted = {"event": "", "targets": targets, "expression": expression, "algo": "random"}
        return self._engine.candidates(wanted)

    def note(self, job: ActiveJob, text: str, node: str) -> None:
        row = meta_row(self._host, text, clock.now())
        notes.add(job, {**row, "node": node} if node else row)
        self._engine.book.mark(job)
