"""What alerts and snapshots ask of other rooms. Each port has a plain stand-in for a house without that room."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

Json = dict[str, Any]


class AlertActions(Protocol):
    async def run_for_alert(
        self,
        invocation: Json,
        definition: Mapping[str, Any],
        server: Mapping[str, Any],
        condition: str,
        *,
        again: bool = False,
        stage: str = "",
    ) -> list[Json]:
        """Run what an alert's condition fires; answers the executed actions.

        `again`: it may have been done before, by a conductor that has ended since. `stage` is empty,
        `escalation-N`, or `repeat-N`, for which only what tells people runs.

        IDs of new tickets are added to `invocation["tickets"]`.
        """
        ...


class NoActions:
    async def run_for_alert(
        self,
        invocation: Json,
        definition: Mapping[str, Any],
        server: Mapping[str, Any],
        condition: str,
        *,
        again: bool = False,
        stage: str = "",
    ) -> list[Json]:
        return []


class ServerJobs(Protocol):
    """Jobs as alerts and snapshots see them."""

    def running_on(self, server_id: str) -> Sequence[Mapping[str, Any]]:
        """The server's active jobs that its satellite has acknowledged."""
        ...

    def all_on(self, server_ids: Iterable[str]) -> Sequence[Mapping[str, Any]]:
        """Every job that is assigned to one of the servers, in any state."""
        ...

    def get(self, job_id: str) -> Mapping[str, Any] | None: ...

    def abort(self, job_id: str, reason: str) -> None:
        """Ask for the job's end; one that has ended meanwhile is left alone."""
        ...


class NoJobs:
    def running_on(self, server_id: str) -> Sequence[Mapping[str, Any]]:
        return ()

    def all_on(self, server_ids: Iterable[str]) -> Sequence[Mapping[str, Any]]:
        return ()

    def get(self, job_id: str) -> Mapping[str, Any] | None:
        return None

    def abort(self, job_id: str, reason: str) -> None:
        return


class Servers(Protocol):
    """Server records: those that are online, and every one that is known."""

    @property
    def online(self) -> Mapping[str, Json]: ...

    @property
    def recent(self) -> Mapping[str, Json]:
        """The servers that left last."""
        ...

    def record(self, server_id: str) -> Json | None:
        """Of a server that is online or left lately."""
        ...


class Samples(Protocol):
    async def latest(self, server_id: str) -> Json | None:
        """The server's last minute sample."""
        ...

    def recent(self, server_id: str) -> list[Json]:
        """Its quick samples, oldest first."""
        ...


class NoSamples:
    async def latest(self, server_id: str) -> Json | None:
        return None

    def recent(self, server_id: str) -> list[Json]:
        return []


class Fresh(Protocol):
    async def take(self, server: Mapping[str, Any]) -> Json | None:
        """What the server measures now, as `data` of a sample; None where it cannot be had soon."""
        ...


class NoFresh:
    async def take(self, server: Mapping[str, Any]) -> Json | None:
        return None


def with_parents(jobs: Iterable[Mapping[str, Any]]) -> list[str]:
    """IDs of the jobs, then of the workflow jobs they belong to, each once."""
    listed = list(jobs)
    parents = (str(job["workflow"]["job"]) for job in listed if _parent(job))
    return list(dict.fromkeys([*(str(job["id"]) for job in listed), *parents]))


def _parent(job: Mapping[str, Any]) -> bool:
    workflow = job.get("workflow")
    return isinstance(workflow, dict) and bool(workflow.get("job"))
