"""What the driver of workflows asks of the house. `composition/term.py` fills these ports."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from conductor.live.book import ActiveJob

Json = dict[str, Any]


class SubJobs(Protocol):
    """Sub-jobs are ordinary jobs: the job engine makes them, runs them and ends them."""

    def compose(self, parent: ActiveJob, event: Mapping[str, Any], extra: Mapping[str, Any]) -> ActiveJob:
        """A new job from an event's document (jobs.md §3), in no book yet. Raises Refusal (`event`)."""
        ...

    def entered(self, job: ActiveJob) -> None:
        """The book has the new job: see to it that it runs."""
        ...

    def abort(self, job_id: str, reason: str) -> None: ...

    def finish(self, job: ActiveJob, result: Mapping[str, Any]) -> None:
        """End a workflow job with what its run came to."""
        ...

    def conditions(self, record: Mapping[str, Any]) -> frozenset[str]:
        """What the result of an ended job meets (jobs.md §14.6)."""
        ...

    def spawn(self, work: Coroutine[Any, Any, object]) -> None:
        """Run `work` in a task that the term owns."""
        ...


class FlowActions(Protocol):
    async def run_in_flow(
        self,
        job: ActiveJob,
        action: Mapping[str, Any],
        *,
        condition: str,
        output: Mapping[str, Any],
        key: str,
    ) -> Json:
        """Carry out one action in the context of a workflow job; the fields of its execution record."""
        ...


class Fleet(Protocol):
    def eligible(self, targets: list[str], expression: str) -> list[str]:
        """Online, enabled servers of `targets` without job-limiting alerts, each once.

        Raises ExpressionError.
        """
        ...


Library = Callable[[str, str], Mapping[str, Any] | None]
"""A definition by kind and ID."""
