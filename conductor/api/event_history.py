"""The revisions of an event. Contract api/events.yaml, get_event_history."""

from typing import Annotated, Any, Literal

import msgspec

from conductor.api.call import Call, Json
from conductor.api.endpoint import DefinitionId, Endpoint
from conductor.audit.history import of_item
from conductor.definitions.repository import Definitions
from conductor.definitions.versions import of_definition
from conductor.errors import Refusal
from conductor.records.store import Records

_ACTIONS = ("event_create", "event_update", "event_delete")


class HistoryQuery(msgspec.Struct, kw_only=True):
    id: DefinitionId
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1
    sort_by: Literal["_id", "epoch", "date"] = "_id"
    sort_dir: int = -1
    ttl: Annotated[int, msgspec.Meta(ge=0)] | None = None


def endpoints(definitions: Definitions, records: Records, ttl: int) -> tuple[Endpoint[Any], ...]:
    """`ttl`: seconds that a client may keep the answer, unless it asks for another time."""

    async def get_event_history(call: Call, params: HistoryQuery) -> Json:
        event = definitions.get("events", params.id)
        if event is None:
            raise Refusal("event", f"Event not found: {params.id}")
        call.account.require_event(event)
        page, newest_first = (params.offset, params.limit or 1), params.sort_dir < 0
        rows, total = await of_definition(
            records, "events", params.id, offset=page[0], limit=page[1], newest_first=newest_first
        )
        if not total:  # last changed before versions were kept
            rows, total = await of_item(
                records,
                params.id,
                _ACTIONS,
                offset=page[0],
                limit=page[1],
                sort_by=params.sort_by,
                newest_first=newest_first,
            )
        age = ttl if params.ttl is None else params.ttl
        call.headers["Cache-Control"] = f"private, max-age={age}, must-revalidate"
        return {"rows": rows, "list": {"length": total}}

    return (Endpoint("get_event_history", get_event_history, HistoryQuery, "The revisions of an event"),)
