"""HTTP responses from encoded bodies: headers, compression, pretty printing, preflight."""

from collections.abc import Mapping

from aiohttp import hdrs, web

from conductor.api import envelope
from conductor.api.call import Call, Encoded
from conductor.api.compression import Compression, accepted

SERVER = "OpsOrbit"
_JSON: dict[str, str] = {
    "Content-Type": "application/json",
    "Server": SERVER,
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-store",
}
"""Answers are the caller's own: whoever may keep one says so in its endpoint."""
_KEPT: dict[str, str] = {"Cache-Control": "private, no-cache"}
_PRETTY = ("", "0", "false")


class Answers:
    """Builds the responses of one kernel."""

    def __init__(self) -> None:
        self._compression = Compression()

    async def send(self, call: Call, answer: Encoded) -> web.Response:
        """A success: indented when the query says `pretty=1`, compressed when large and accepted.

        One with a tag may be kept by its caller, who asks each time whether it still counts; 304 if so.
        """
        body, repeated = answer.body, answer.repeated
        headers: Mapping[str, str] = {**_JSON, **call.headers} if call.headers else _JSON
        if answer.tag:
            headers = {**headers, **_KEPT, hdrs.ETAG: f'W/"{answer.tag}"'}
            if _has(call.request.headers.get(hdrs.IF_NONE_MATCH, ""), answer.tag):
                return web.Response(status=304, headers=headers)
        if call.query and str(call.query.get("pretty", "")) not in _PRETTY:
            body = envelope.pretty(body)
            repeated = False
        if self._compression.worthwhile(len(body)):
            headers = {**headers, hdrs.VARY: "Accept-Encoding"}
            if accepted(call.request.headers.get(hdrs.ACCEPT_ENCODING, "")):
                headers[hdrs.CONTENT_ENCODING] = "gzip"
                body = await self._compression.gzip(body, repeated=repeated)
        return web.Response(body=body, headers=headers)

    @staticmethod
    def json(body: bytes, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.Response(body=body, status=status, headers=_JSON | dict(headers or {}))

    @staticmethod
    def page_not_found() -> web.Response:
        return web.Response(body=b"Not Found\n", status=404, headers={hdrs.SERVER: SERVER})

    @staticmethod
    def redirect(location: str) -> web.Response:
        return web.Response(status=302, headers={hdrs.LOCATION: location, hdrs.SERVER: SERVER})


def preflight(request: web.BaseRequest) -> web.Response:
    """The answer to any OPTIONS request (contract §9). Credentials are never allowed across origins."""
    asked = request.headers
    return web.Response(
        headers={
            "Access-Control-Allow-Origin": _printable(asked.get("Origin", "*")),
            "Access-Control-Allow-Methods": "POST, GET, HEAD, OPTIONS",
            "Access-Control-Allow-Headers": _printable(asked.get("Access-Control-Request-Headers", "*")),
            "Access-Control-Max-Age": "1728000",
            hdrs.CONTENT_LENGTH: "0",
            hdrs.SERVER: SERVER,
        }
    )


def _has(given: str, tag: str) -> bool:
    """Whether an If-None-Match header names the tag; weak and strong ones are the same here (RFC 9110)."""
    return given.strip() == "*" or any(
        one.strip().removeprefix("W/") == f'"{tag}"' for one in given.split(",") if one
    )


def _printable(value: str) -> str:
    return value if value.isascii() and value.isprintable() else "*"
