"""Jobs that start on a server join its active alerts; tickets that are deleted leave them."""

from collections.abc import Mapping
from typing import Any

import structlog

from conductor.errors import Unavailable
from conductor.monitoring.alerts.active import ActiveAlerts
from conductor.monitoring.alerts.store import MOST_JOBS, AlertStore

Json = dict[str, Any]

log = structlog.get_logger(__name__)


class Related:
    def __init__(self, store: AlertStore, active: ActiveAlerts) -> None:
        self._store = store
        self._active = active

    async def job_started(self, server_id: str, job_id: str) -> None:
        """Whatever cannot be stored now is left out: the job has its own record."""
        for invocation in self._active.of_server(server_id):
            await self._add_job(str(invocation["id"]), job_id)

    def ticket_deleted(self, ticket: Mapping[str, Any]) -> None:
        gone = ticket.get("id")
        for invocation in self._active:
            if gone in (invocation.get("tickets") or ()):
                invocation["tickets"] = [one for one in invocation["tickets"] if one != gone]

    async def _add_job(self, invocation_id: str, job_id: str) -> None:
        def added(doc: Json) -> Json | None:
            jobs = doc.get("jobs") or []
            return None if job_id in jobs else {**doc, "jobs": [*jobs, job_id][-MOST_JOBS:]}

        try:
            changed = await self._store.change(invocation_id, added)
        except Unavailable as error:
            log.warning("a job was not added to its alert", alert=invocation_id, error=str(error))
            return
        if changed and (kept := self._active.get(invocation_id)) is not None:
            kept["jobs"] = changed["jobs"]
