"""The lists of tickets that jobs and alerts keep, and how a deleted ticket leaves them."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import structlog

from conductor.definitions.json_values import Json
from conductor.live.book import JobBook
from conductor.records.job_archive import JobArchive
from conductor.records.searchable import SearchableDocuments

_PAGE = 500

log = structlog.get_logger(__name__)


class StoredBonds:
    """Works on the archive of jobs, on active jobs, and on the stored alert invocations."""

    def __init__(
        self,
        archive: JobArchive,
        book: Callable[[], JobBook | None],
        alerts: SearchableDocuments | None = None,
    ) -> None:
        """`book` is the job book of this term; None between terms."""
        self._archive = archive
        self._book = book
        self._alerts = alerts

    async def bind(self, ticket_id: str, *, job_id: str = "", alert_id: str = "") -> None:
        """Add the ticket to a job's and an alert's list; unknown ones are passed over. Raises Unavailable."""
        if job_id:
            book = self._book()
            active = book.get(job_id) if book is not None else None
            if book is not None and active is not None:
                active.set(tickets=_with(active.job.get("tickets"), ticket_id))
                book.mark(active)
            elif job := await self._archive.get(job_id):
                await self._archive.replace({**job, "tickets": _with(job.get("tickets"), ticket_id)})
        if alert_id and self._alerts is not None:
            await self._alerts.change(
                alert_id, lambda old: {**old, "tickets": _with(old.get("tickets"), ticket_id)}
            )

    async def forget(self, ticket_id: str, /) -> None:
        """Take the ticket out of every list. Raises Unavailable; it may be repeated."""
        if (book := self._book()) is not None:
            for active in list(book):
                if ticket_id in (active.job.get("tickets") or ()):
                    active.set(tickets=_without(active.job["tickets"], ticket_id))
                    book.mark(active)
        while jobs := await self._listed(self._archive, ticket_id):
            for id in jobs:
                if job := await self._archive.get(id):
                    await self._archive.replace({**job, "tickets": _without(job.get("tickets"), ticket_id)})
        if self._alerts is not None:
            while alerts := await self._listed(self._alerts, ticket_id):
                for id in alerts:
                    await self._alerts.change(
                        id, lambda old: {**old, "tickets": _without(old.get("tickets"), ticket_id)}
                    )
        log.info("a ticket was taken out of jobs and alerts", ticket=ticket_id)

    @staticmethod
    async def _listed(store: JobArchive | SearchableDocuments, ticket_id: str) -> list[str]:
        page = await store.search(f"tickets:{ticket_id}", limit=_PAGE)
        rows: Iterable[Json] = (msgspec.json.decode(row) for row in page.rows)
        return [str(row["id"]) for row in rows if ticket_id in (row.get("tickets") or ())]


def _with(listed: Any, ticket_id: str) -> list[str]:
    kept = _without(listed, ticket_id)
    return [*kept, ticket_id]


def _without(listed: Any, ticket_id: str) -> list[str]:
    return [one for one in listed if one != ticket_id] if isinstance(listed, list) else []
