"""What web hooks have sent and what came of it: an observer that stores a row for each (contract api/web_hooks.yaml).

Reports come without secrets (outbound/hook_report.py); long ones are cut.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from conductor.errors import Deposed, Unavailable
from conductor.records.search.index import DELIVERIES
from conductor.records.searchable import SearchableDocuments, SearchPage
from conductor.records.store import Records
from conductor.records.tables import deliveries as table
from conductor.signals import HookDelivered, Signal
from shared.clock import now
from shared.ids import short_id

Json = dict[str, Any]

MOST_ROWS = 20_000
MOST_DAYS = 30
_DAY = 86_400
_LONGEST = 16_384
"""Characters of a stored report."""
_PAGE = 100

log = structlog.get_logger(__name__)


class Deliveries:
    """The log of deliveries. `db_maint.deliveries.max_rows` and `.max_days` say what maintenance leaves of it."""

    def __init__(self, records: Records, kept: Callable[[], Mapping[str, Any]]) -> None:
        self._stored = SearchableDocuments(records, DELIVERIES, table)
        self._kept = kept

    async def observe(self, signal: Signal) -> None:
        if not isinstance(signal, HookDelivered):
            return
        doc: Json = {
            "id": short_id("wd"),
            "date": int(now()),
            "web_hook": signal.hook_id,
            "title": signal.title,
            "method": signal.method,
            "url": signal.url,
            "code": signal.code,
            "description": signal.description,
            "details": signal.details[:_LONGEST],
            "elapsed_ms": signal.elapsed_ms,
            "result": "error" if signal.code else "success",
        }
        try:
            await self._stored.add(doc["id"], doc)
        except (Unavailable, Deposed) as error:
            log.warning("a delivery was not logged", web_hook=signal.hook_id, reason=str(error))

    async def search(self, query: str, **order: Any) -> SearchPage:
        """One page (contract search.md §1). Raises SearchError."""
        return await self._stored.search(query, **order)

    def forget(self) -> None:
        """Somebody else may have written."""
        self._stored.forget()

    async def trim(self) -> int:
        """Delete what is too old or too much, the oldest first; how many."""
        kept = self._kept()
        days, rows = _number(kept.get("max_days"), MOST_DAYS), _number(kept.get("max_rows"), MOST_ROWS)
        removed = 0
        if days:
            removed += await self._delete(f"date:<{int(now() - days * _DAY)}")
        total = (await self._stored.search("*")).total
        if rows and total > rows:
            removed += await self._delete("*", total - rows)
        return removed

    async def _delete(self, query: str, most: int = 0) -> int:
        done = 0
        while True:
            page = await self._stored.search(query, limit=_PAGE, sort_dir=1)
            for row in page.rows:
                if most and done >= most:
                    return done
                await self._stored.delete(str(msgspec.json.decode(row)["id"]))
                done += 1
            if not page.rows:
                return done


def _number(value: Any, default: int) -> int:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return int(value) if usable else default
