"""What the job engine asks of workflows: the port that `conductor.workflows.driver` fills."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from conductor.live.job import ActiveJob


class Graphs(Protocol):
    """A workflow job runs on no server: it launches sub-jobs, which are ordinary jobs, and hears of their ends."""

    def takes(self, job: ActiveJob) -> bool:
        """Whether it is a workflow job with a graph of its own."""
        ...

    async def begin(self, job: ActiveJob) -> None:
        """The workflow job is active; one that had begun in an earlier term goes on where it was."""
        ...

    async def settle(
        self, child: ActiveJob, record: Mapping[str, Any], follow_ups: Sequence[ActiveJob] = ()
    ) -> bool:
        """An archived sub-job leaves the book and its workflow goes on, in one step.

        `follow_ups` enter with it. False, with nothing done, for a job that belongs to no active workflow.
        """
        ...

    async def flushed(self, child: ActiveJob, reason: str) -> bool:
        """A sub-job leaves the queue and the book without a record, and its workflow goes on; False as above."""
        ...

    async def abort(self, job: ActiveJob, reason: str) -> None: ...

    async def tick(self) -> None:
        """Once a second."""
        ...

    def forget(self, job_id: str) -> None:
        """The workflow job has left the book."""
        ...


class NoGraphs:
    """A house without workflows."""

    def takes(self, job: ActiveJob) -> bool:
        return False

    async def begin(self, job: ActiveJob) -> None: ...

    async def settle(
        self, child: ActiveJob, record: Mapping[str, Any], follow_ups: Sequence[ActiveJob] = ()
    ) -> bool:
        return False

    async def flushed(self, child: ActiveJob, reason: str) -> bool:
        return False

    async def abort(self, job: ActiveJob, reason: str) -> None: ...

    async def tick(self) -> None: ...

    def forget(self, job_id: str) -> None: ...
