"""Answers that are made while they are sent: exports."""

import zlib
from collections.abc import AsyncIterator

import structlog
from aiohttp import hdrs, web

from conductor.api.answer import SERVER
from conductor.api.call import Call
from conductor.errors import Refusal

_CHUNK = 64 * 1024
_GZIP = 31

log = structlog.get_logger(__name__)


async def attachment(
    call: Call, chunks: AsyncIterator[bytes], *, name: str, kind: str, compress: bool
) -> web.StreamResponse:
    """Send `chunks` as a file. What fails before the first one is an answer of its own.

    What fails later ends the connection, so that nobody takes a part for the whole.
    """
    first = await anext(chunks, b"")
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "application/gzip" if compress else kind,
            hdrs.CONTENT_DISPOSITION: f'attachment; filename="{name}"',
            hdrs.CACHE_CONTROL: "no-store",
            hdrs.SERVER: SERVER,
        }
    )
    await response.prepare(call.request)
    packer = zlib.compressobj(6, zlib.DEFLATED, _GZIP) if compress else None
    waiting = bytearray(packer.compress(first) if packer else first)
    try:
        async for chunk in chunks:
            waiting += packer.compress(chunk) if packer else chunk
            if len(waiting) >= _CHUNK:
                await response.write(bytes(waiting))
                waiting.clear()
    except ConnectionError:
        raise
    except Exception as error:
        reason = error.description if isinstance(error, Refusal) else repr(error)
        log.warning("an export was broken off", name=name, reason=reason)
        if call.request.transport is not None:
            call.request.transport.abort()
        return response
    if packer:
        waiting += packer.flush()
    await response.write(bytes(waiting))
    await response.write_eof()
    return response
