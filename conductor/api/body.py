"""Request bodies: JSON, forms and raw bytes, within limits. Contract api/README.md §2.

A body that cannot be read is a BadParameter: bad input is never a failure of the server.
"""

import asyncio
from typing import Any

import aiohttp
import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from conductor.api import query
from conductor.errors import BadParameter

_JSON_MARKS = ("json", "text", "javascript", "js")
_DEEPEST = 200  # levels of arrays and objects: what is stored is encoded again, wrapped in more levels

_decode = msgspec.json.Decoder().decode


class Unreadable(BadParameter):
    """The rest of the body is not read: the connection must be closed after the answer."""


BROKEN = (
    aiohttp.ClientError,
    HttpProcessingError,
    web.RequestPayloadError,
    ValueError,
    LookupError,
    RuntimeError,
    EOFError,
    AssertionError,  # the multipart reader's own way to refuse a misplaced boundary
)
"""What reading a body may throw when the client's bytes are at fault."""


def is_json(content_type: str) -> bool:
    return any(mark in content_type for mark in _JSON_MARKS)


async def read(request: web.BaseRequest, *, limit: int, idle: float) -> bytes:
    """The whole body, decompressed. A pause of more than `idle` seconds ends it."""
    if (request.content_length or 0) > limit:
        raise Unreadable(f"Request body is too large (at most {limit} bytes)")
    chunks: list[bytes] = []
    size = 0
    try:
        if request.content.is_eof():  # it came with the headers, as most do: nothing to wait for
            whole = request.content.read_nowait()
            if len(whole) > limit:
                raise Unreadable(f"Request body is too large (at most {limit} bytes)")
            return whole
        async with asyncio.timeout(idle) as deadline:
            loop = asyncio.get_running_loop()
            while chunk := await request.content.readany():
                size += len(chunk)
                if size > limit:
                    raise Unreadable(f"Request body is too large (at most {limit} bytes)")
                chunks.append(chunk)
                deadline.reschedule(loop.time() + idle)
    except TimeoutError:
        raise Unreadable("Request body did not arrive in time") from None
    except BROKEN:
        abandon(request)
        raise Unreadable("Malformed request body") from None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def abandon(request: web.BaseRequest) -> None:
    """Read no more of a broken body: aiohttp would drain it and log the client's mistake as ours."""
    request.content.feed_eof()


def parse_json(body: bytes) -> dict[str, Any]:
    """The object in `body`; anything that is JSON but no object counts as no parameters."""
    if not body or body.isspace():
        return {}
    try:
        value = _decode(body)
    except RecursionError:
        raise BadParameter("Malformed JSON: nested too deeply") from None
    except (msgspec.DecodeError, ValueError) as error:
        raise BadParameter(f"Malformed JSON: {error}") from None
    if not isinstance(value, dict):
        return {}
    if body.count(b"[") + body.count(b"{") > _DEEPEST:
        _check_depth(value)
    return value


def parse_form(body: bytes) -> dict[str, Any]:
    """The fields of an `application/x-www-form-urlencoded` body."""
    return query.parse(body.decode(errors="replace"))


def parse_embedded(text: object) -> dict[str, Any]:
    """The object in a string parameter `json`, as multipart clients send it (contract §2.1)."""
    try:
        value = _decode(text) if isinstance(text, str) else None
    except (msgspec.DecodeError, ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadParameter("Malformed parameter: json (not a JSON object)")
    _check_depth(value)
    return value


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise BadParameter("Malformed JSON: nested too deeply")
