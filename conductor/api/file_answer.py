"""Stored files as HTTP answers: whole, in part, not modified, or the head alone; streamed in either case."""

import asyncio
from collections.abc import Mapping

import structlog
from aiohttp import web

from conductor.api import ranges
from conductor.api.content_types import SECURITY
from conductor.errors import Refusal
from conductor.records.files import Files, Stat

_SLOWEST_SECONDS = 60.0
"""For one chunk: a reader that takes longer has gone, and holds an open file."""
_PART_BYTES = 256 * 1024

log = structlog.get_logger(__name__)


def bare(status: int, text: str) -> web.Response:
    """A plain-text error: these endpoints have no envelope (contract api/README.md §4)."""
    return web.Response(status=status, text=text, headers=SECURITY)


async def send(
    request: web.BaseRequest, files: Files, key: str, stat: Stat, headers: Mapping[str, str]
) -> web.StreamResponse:
    """Answer with the file, as the request's conditions and range want it. `headers` go with 200 and 206."""
    part = ranges.part(request.method, request.headers, stat)
    marks = {"ETag": ranges.etag(stat), "Last-Modified": ranges.last_modified(stat), "Accept-Ranges": "bytes"}
    if part.status == 304:
        return web.Response(status=304, headers={**marks, **SECURITY, "Cache-Control": _cache(headers)})
    if part.status == 416:
        return web.Response(status=416, headers={**SECURITY, "Content-Range": f"bytes */{stat.size}"})
    response = web.StreamResponse(status=part.status, headers={**SECURITY, **headers, **marks})
    if part.status == 206:
        response.headers["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{stat.size}"
    response.content_length = part.end - part.start
    await response.prepare(request)
    if request.method != "HEAD" and part.end > part.start:
        await _stream(request, response, files, key, part)
    await response.write_eof()
    return response


def send_bytes(request: web.BaseRequest, body: bytes, headers: Mapping[str, str]) -> web.Response:
    """The same for content that is in memory; it has no time, so that a range is its only condition."""
    stat = Stat(len(body), 0, "")
    wanted = request.headers.get("Range")
    part = ranges.part(request.method, {"Range": wanted} if wanted else {}, stat)
    if part.status == 416:
        return web.Response(status=416, headers={**SECURITY, "Content-Range": f"bytes */{stat.size}"})
    marks = {"Accept-Ranges": "bytes"}
    if part.status == 206:
        marks["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{stat.size}"
    return web.Response(
        status=part.status, body=body[part.start : part.end], headers={**SECURITY, **headers, **marks}
    )


async def _stream(
    request: web.BaseRequest, response: web.StreamResponse, files: Files, key: str, part: ranges.Part
) -> None:
    """Write the part. Where it cannot be, the connection ends, so that nobody takes a torn file for whole."""
    left = part.end - part.start
    try:
        async for chunk in files.stream(key, part.start, part.end):
            left -= len(chunk)
            async with asyncio.timeout(_SLOWEST_SECONDS):
                await response.write(chunk)
    except (Refusal, TimeoutError) as error:
        log.warning("a download was broken off", key=key.rpartition("/")[2], error=str(error) or "too slow")
    if left and request.transport is not None:
        request.transport.abort()


def _cache(headers: Mapping[str, str]) -> str:
    return headers.get("Cache-Control", "private, max-age=0")
