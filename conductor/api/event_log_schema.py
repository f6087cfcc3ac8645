"""The event log's part of the OpenAPI document: its URIs, parameters and answers (seed 004)."""

from typing import Any

import msgspec

from conductor.api.event_log import ROOT, Problems, Story
from conductor.api.event_questions import MOST
from conductor.audit.event_log import ActorStats, Aggregate, Event, Page
from conductor.audit.resources import RESOURCE_TYPES

Json = dict[str, Any]

_REFERENCE = "#/components/schemas/{name}"
_SECURITY: list[dict[str, list[str]]] = [
    {"bearer": []}, {"apiKey": []}, {"tokenCookie": []}, {"session": []}, {"sessionCookie": []},
]  # fmt: skip
SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "tokenCookie": {"type": "apiKey", "in": "cookie", "name": "vai_token"},
}
_UUID = {"type": "string", "format": "uuid"}
_TEXT = {"type": "string", "maxLength": 128}
_TYPE = {"type": "string", "enum": sorted(RESOURCE_TYPES)}
_MOMENT = {"type": "string", "format": "date-time"}
_LIMIT = {"type": "integer", "minimum": 1, "maximum": MOST, "default": MOST}
_OFFSET = {"type": "integer", "minimum": 0, "default": 0}
_FILTERS = {"event_type": _TEXT, "resource_type": _TYPE, "resource_id": _UUID}
_RANGE = {"from": _MOMENT, "to": _MOMENT}
_PAGE = {"limit": _LIMIT, "offset": _OFFSET}


class Actors(msgspec.Struct, frozen=True):
    actors: list[ActorStats]


def described() -> tuple[Json, Json]:
    """(paths, component schemas)."""
    types: list[type] = [Page, Event, Aggregate, Actors, Story, Problems]
    _, components = msgspec.json.schema_components(types, ref_template=_REFERENCE)
    page, event, aggregate, actors, story, _ = (
        {"$ref": _REFERENCE.format(name=type.__name__)} for type in types
    )
    paths = {
        "": _get("List Events", page, {**_FILTERS, **_RANGE, **_PAGE}),
        "/aggregate": _get("Aggregate Events", aggregate, _RANGE),
        "/correlation/{correlation_id}": _get(
            "List Events By Correlation",
            {"anyOf": [page, story]},
            {**_PAGE, "tree": {"type": "boolean", "default": False}},
            correlation_id={"type": "string"},
        ),
        "/resource/{resource_type}/{resource_id}": _get(
            "List Events By Resource", page, _PAGE, resource_type=_TYPE, resource_id=_UUID
        ),
        "/stats/by-actor": _get("Stats By Actor", actors, _RANGE),
        "/stream": _stream(),
        "/{event_id}": _get("Get Event", event, {}, event_id=_UUID),
    }
    return {f"{ROOT}{path}": {"get": operation} for path, operation in paths.items()}, components


def _get(summary: str, answer: Json, query: Json, **path: Json) -> Json:
    return {
        "operationId": summary.lower().replace(" ", "_"),
        "summary": summary,
        "security": _SECURITY,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": one} for name, one in path.items()),
            *({"name": name, "in": "query", "required": False, "schema": one} for name, one in query.items()),
        ],
        "responses": {"200": {"description": "Done", **_content("application/json", answer)}, **_problems()},
    }


def _stream() -> Json:
    operation = _get("Follow Events", {}, _FILTERS)
    last = {"name": "Last-Event-ID", "in": "header", "required": False, "schema": _UUID}
    operation["parameters"].append(last)
    operation["responses"]["200"] = {
        "description": "Server-sent events until the caller leaves",
        **_content("text/event-stream", {"type": "string"}),
    }
    return operation


def _problems() -> Json:
    content = _content("application/json", {"$ref": _REFERENCE.format(name="Problems")})
    about = {
        "401": "No valid credentials",
        "404": "No such event",
        "422": "A parameter is malformed: `loc` says which",
        "503": "This conductor is not the primary, or its database is away",
    }
    return {status: {"description": text, **content} for status, text in about.items()}


def _content(kind: str, schema: Json) -> Json:
    return {"content": {kind: {"schema": schema}}}
