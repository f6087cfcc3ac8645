"""The OpenAPI 3.1 document, generated from the endpoints' declarations."""

from collections.abc import Iterable
from typing import Any

import msgspec
from aiohttp import hdrs, web

from conductor.api import event_log_schema
from conductor.api.answer import SERVER
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.kernel import RawUri

_REFERENCE = "#/components/schemas/{name}"
_SECURITY: dict[Auth, list[dict[str, list[str]]]] = {
    Auth.NONE: [],
    Auth.TOKEN: [],
    Auth.ACCOUNT: [{"apiKey": []}, {"session": []}, {"sessionCookie": []}],
    Auth.ADMIN: [{"apiKey": []}, {"session": []}, {"sessionCookie": []}],
    Auth.SESSION: [{"session": []}, {"sessionCookie": []}],
}
_SCHEMES = {
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "session": {"type": "apiKey", "in": "header", "name": "X-Session-ID"},
    "sessionCookie": {"type": "apiKey", "in": "cookie", "name": "session_id"},
}
_ERRORS = {
    "400": "A parameter is missing or malformed (code api), or the request is refused",
    "401": "No valid credentials (code session)",
    "403": "A privilege or limit is in the way (code access), or a second factor is needed (mfa, mfa_setup)",
    "404": "No such item (code notfound)",
    "429": "Too many calls of this key (code rate)",
    "500": "Not the primary (code master), or a failure of the server (code internal)",
}


class Failure(msgspec.Struct, kw_only=True):
    """The envelope of an error."""

    code: str | int
    description: str
    host: str = ""


class Success(msgspec.Struct, kw_only=True):
    """The envelope of a success; endpoints add their own properties."""

    code: int = 0


class OpenApi:
    """`/api/openapi.json`, built at the first request and kept."""

    def __init__(self, endpoints: Iterable[Endpoint[Any]], version: str) -> None:
        self._endpoints = tuple(endpoints)
        self._version = version
        self._document = b""

    def uri(self) -> RawUri:
        return RawUri("/api/openapi.json", self.serve)

    async def serve(self, request: web.BaseRequest) -> web.StreamResponse:
        self._document = self._document or msgspec.json.encode(document(self._endpoints, self._version))
        return web.Response(
            body=self._document, headers={hdrs.CONTENT_TYPE: "application/json", hdrs.SERVER: SERVER}
        )


def document(endpoints: Iterable[Endpoint[Any]], version: str) -> dict[str, Any]:
    listed = sorted(endpoints, key=lambda endpoint: (endpoint.namespace, endpoint.name))
    types: list[type] = [Failure, Success]
    types += [endpoint.params for endpoint in listed if endpoint.params is not NoParams]
    types += [endpoint.result for endpoint in listed if endpoint.result]
    schemas, components = msgspec.json.schema_components(list(dict.fromkeys(types)), ref_template=_REFERENCE)
    references = dict(zip(dict.fromkeys(types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in listed:
        suffix = "" if endpoint.namespace == "user" else "/v1"
        paths[f"/api/{endpoint.namespace}/{endpoint.name}{suffix}"] = {
            method.lower(): _operation(endpoint, method, references, components)
            for method in endpoint.methods
        }
    of_events, their_components = event_log_schema.described()
    return {
        "openapi": "3.1.0",
        "info": {"title": "OpsOrbit", "version": version},
        "paths": {**paths, **of_events},
        "components": {
            "schemas": {**their_components, **components},
            "securitySchemes": {**_SCHEMES, **event_log_schema.SCHEMES},
        },
    }


def _operation(
    endpoint: Endpoint[Any], method: str, references: dict[type, Any], components: dict[str, Any]
) -> dict[str, Any]:
    success = references[endpoint.result or Success]
    failure = {"content": {"application/json": {"schema": references[Failure]}}}
    operation: dict[str, Any] = {
        "operationId": f"{endpoint.namespace}_{endpoint.name}_{method.lower()}",
        "summary": endpoint.summary,
        "security": _SECURITY[endpoint.auth],
        "responses": {
            "200": {"description": "Done", "content": {"application/json": {"schema": success}}},
            **({} if endpoint.namespace == "user" else _failures(failure)),
        },
    }
    if endpoint.privilege:
        operation["description"] = f"Needs the privilege `{endpoint.privilege}`."
    if endpoint.params is NoParams:
        return operation
    if method == "GET" and endpoint.takes is not Takes.BODY:
        operation["parameters"] = _query(endpoint.params, references, components)
    elif method != "GET":
        schema = references[endpoint.params]
        operation["requestBody"] = {"content": {"application/json": {"schema": schema}}}
    return operation


def _failures(content: dict[str, Any]) -> dict[str, Any]:
    return {status: {"description": about, **content} for status, about in _ERRORS.items()}


def _query(params: type, references: dict[type, Any], components: dict[str, Any]) -> list[dict[str, Any]]:
    schema = components[references[params]["$ref"].rpartition("/")[2]]
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, "schema": shape}
        for name, shape in schema.get("properties", {}).items()
    ]
