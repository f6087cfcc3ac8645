"""What the jobs room asks of the actions room: the port that `conductor.actions.runner` fills."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from conductor.errors import Refusal
from conductor.live.job import ActiveJob
from conductor.signals import Actor


class Actions(Protocol):
    """What follows a job. Nothing of it changes the job's result."""

    def due(self, job: ActiveJob, conditions: Sequence[str]) -> bool:
        """Whether something is to run for these conditions, so that they must be in the book before."""
        ...

    async def run_for_job(self, job: ActiveJob, conditions: Sequence[str]) -> None:
        """Announce the conditions, run what they fire, and return when it has ended, within bounded time.

        A suspension alone has no bound. What has run already does not run again. Raises Deposed alone.
        """
        ...

    async def run_for_limit(self, job: ActiveJob, limit: Mapping[str, Any]) -> Mapping[str, Any]:
        """Tell whom a runtime limit names; answers its result fields."""
        ...

    def release(self, job: ActiveJob) -> None:
        """The job is aborted: whoever waits for a person to resume it stops waiting."""
        ...

    async def resume(
        self, job_id: str, by: Actor, params: Mapping[str, Any] | None = None, *, redirect: str = ""
    ) -> None:
        """Let a suspended job go on (contract jobs.md §13). Raises Refusal (`job`, `access`, `api`)."""
        ...

    async def change_event(self, job: ActiveJob) -> None:
        """Apply what the job wants of its event, and clear its alert. Raises Unavailable."""
        ...

    async def delete_event(self, job: ActiveJob) -> None:
        """Delete the event if the job wants it; the job is not active any more. Raises Unavailable."""
        ...


class NoActions:
    """A house without actions."""

    def due(self, job: ActiveJob, conditions: Sequence[str]) -> bool:
        return False

    async def run_for_job(self, job: ActiveJob, conditions: Sequence[str]) -> None: ...

    async def run_for_limit(self, job: ActiveJob, limit: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"code": 0, "description": "", "details": "", "elapsed_ms": 0}

    def release(self, job: ActiveJob) -> None: ...

    async def resume(
        self, job_id: str, by: Actor, params: Mapping[str, Any] | None = None, *, redirect: str = ""
    ) -> None:
        raise Refusal("job", f"Job is not suspended: {job_id}")

    async def change_event(self, job: ActiveJob) -> None: ...

    async def delete_event(self, job: ActiveJob) -> None: ...
