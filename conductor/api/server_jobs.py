"""Jobs as alerts and snapshots ask for them, out of the present term's book."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from conductor.api.office import Office
from conductor.errors import Refusal


class ServerJobs:
    """Fills the port `conductor.monitoring.alerts.ports.ServerJobs`; between terms there are no jobs."""

    def __init__(self, office: Office) -> None:
        self._office = office

    def running_on(self, server_id: str) -> Sequence[Mapping[str, Any]]:
        return [
            job.job
            for job in self._office.jobs()
            if job.server == server_id and job.state == "active" and job.job.get("remote")
        ]

    def all_on(self, server_ids: Iterable[str]) -> Sequence[Mapping[str, Any]]:
        wanted = frozenset(server_ids)
        return [job.job for job in self._office.jobs() if job.server in wanted]

    def get(self, job_id: str) -> Mapping[str, Any] | None:
        with suppress(Refusal):  # between terms
            job = self._office.engine.book.get(job_id)
            return job.job if job else None
        return None

    def abort(self, job_id: str, reason: str) -> None:
        with suppress(Refusal):
            self._office.engine.abort(job_id, reason)
