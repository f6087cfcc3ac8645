"""Connections on which nobody asks for anything do not stay: aiohttp alone would wait for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

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
