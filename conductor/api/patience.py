"""Clients that do not speak HTTP well: who asks for nothing does not stay, what cannot be read gets an envelope."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import structlog
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong
from aiohttp.web_protocol import RequestHandler

log = structlog.get_logger(__name__)

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class _Guest(RequestHandler):
    """A connection that is closed unless its first request's head has come in time."""

    __slots__ = ("_first",)

    seconds = 30.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        abort = cast(asyncio.Transport, transport).abort
        self._first = asyncio.get_running_loop().call_later(self.seconds, abort)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._first.cancel()
        super().connection_lost(exc)

    def asked(self) -> None:
        """The first request is here."""
        self._first.cancel()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what no handler has seen; aiohttp alone would repeat it in plain text, secrets and all."""
        if request.writer.output_size > 0 or status >= 500:
            return super().handle_error(request, status, exc, None)
        log.info("a request that is no HTTP", ip=request.remote, error=type(exc).__name__)
        text = "The request cannot be read."
        if isinstance(exc, LineTooLong):
            text = f"A line of the request's head is longer than {self.max_line_size} bytes."
        answer = web.json_response({"code": "api", "description": text}, status=status)
        answer.force_close()
        return answer


class PatientServer(web.Server):
    """As aiohttp's, for clients that send a request's head within `seconds` of connecting."""

    def __init__(self, handle: Handle, seconds: float) -> None:
        async def first(request: web.BaseRequest) -> web.StreamResponse:
            if isinstance(request.protocol, _Guest):
                request.protocol.asked()
            return await handle(request)

        super().__init__(first, access_log=None)
        self._guest = type("Guest", (_Guest,), {"__slots__": (), "seconds": seconds})

    def __call__(self) -> RequestHandler:
        guest: _Guest = self._guest(self, loop=asyncio.get_running_loop(), access_log=None)
        return guest
