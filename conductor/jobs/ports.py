"""What the job engine asks of other rooms. Each port has a plain stand-in for a conductor without that room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from conductor.jobs.actions import Actions, NoActions
from conductor.jobs.graphs import Graphs, NoGraphs
from conductor.jobs.limits.notices import LimitNotices, NoNotices
from conductor.signals import Actor


class ServerLoad(Protocol):
    """What servers reported last."""

    def latest(self, server_id: str) -> Mapping[str, Any] | None:
        """`date`, `cpu`, `memory`, `monitors` and `deltas`, as far as it told; None when it sent nothing.

        The last it sent counts, whatever its age: a server is not idle because it has fallen silent.
        """
        ...


class ActiveAlerts(Protocol):
    def limiting(self, server_id: str) -> Sequence[str]:
        """Titles of the server's active alerts whose definition has `limit_jobs`."""
        ...


class Suspension(Protocol):
    def check(self, job_id: str, by: Actor) -> None:
        """Raises AccessDenied when the job's waiting suspend action names others who may let it go on."""
        ...

    def resume(self, job_id: str, by: Actor, params: Mapping[str, Any]) -> None:
        """Let the job's waiting suspend action end; what it was resumed by and with goes into its details."""
        ...


class _NoLoad:
    def latest(self, server_id: str) -> Mapping[str, Any] | None:
        return None


class _NoAlerts:
    def limiting(self, server_id: str) -> Sequence[str]:
        return ()


class _NoSuspension:
    def check(self, job_id: str, by: Actor) -> None:
        return

    def resume(self, job_id: str, by: Actor, params: Mapping[str, Any]) -> None:
        return


@dataclass(frozen=True, slots=True)
class Ports:
    load: ServerLoad = field(default_factory=_NoLoad)
    alerts: ActiveAlerts = field(default_factory=_NoAlerts)
    notices: LimitNotices = field(default_factory=NoNotices)
    actions: Actions = field(default_factory=NoActions)
    graphs: Graphs = field(default_factory=NoGraphs)
    suspension: Suspension = field(default_factory=_NoSuspension)
