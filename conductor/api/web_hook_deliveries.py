"""The log of web hooks' deliveries (contract api/web_hooks.yaml, where_to_be_better: there was none)."""

from typing import Any

from conductor.api.call import Call
from conductor.api.endpoint import Endpoint
from conductor.api.search import MOST_ROWS, Query, Rows
from conductor.audit.deliveries import Deliveries
from conductor.errors import AccessDenied
from conductor.records.search.index import DELIVERIES
from conductor.records.search.language import remarks

Json = dict[str, Any]


def endpoints(deliveries: Deliveries) -> tuple[Endpoint[Any], ...]:
    async def search_web_hook_deliveries(call: Call, params: Query) -> Json:
        """Reports show what hooks sent: for those who may edit hooks and see everything."""
        if call.account.limited:
            raise AccessDenied("Deliveries are for accounts without category and group limits.")
        page = await deliveries.search(
            params.query or "*",
            offset=params.offset,
            limit=min(params.limit, MOST_ROWS),
            sort_by=params.sort_by or "_id",
            sort_dir=params.sort_dir or -1,
            after=params.after,
        )
        answer: Json = {"rows": page.rows, "list": {"length": page.total}}
        if warnings := remarks(params.query, DELIVERIES):
            answer["warnings"] = warnings
        return answer

    return (
        Endpoint(
            "search_web_hook_deliveries",
            search_web_hook_deliveries,
            Query,
            "What web hooks have sent, and what came of it",
            privilege="edit_web_hooks",
            result=Rows,
        ),
    )
