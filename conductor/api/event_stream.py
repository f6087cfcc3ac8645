"""The event log as Server-Sent Events: what is written from now on, or from the event a client saw last.

Each message is one event with its UUID as `id`. A client that comes back with `Last-Event-ID` gets all that it
missed, in order and without a gap. How many follow at a time is bounded, and so is what is read for each.
"""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import hdrs, web

from conductor.api.answer import SERVER
from conductor.api.event_questions import Invalid
from conductor.audit.event_log import EventLog, Filter
from conductor.errors import Unavailable
from conductor.records.search.restriction import Restriction
from shared import clock

MOST_FOLLOWERS = 100
_TOGETHER = 200
_LOOK_SECONDS = 0.25
_ALIVE_SECONDS = 15.0
_HEADERS = {
    hdrs.CONTENT_TYPE: "text/event-stream",
    hdrs.CACHE_CONTROL: "no-cache",
    hdrs.SERVER: SERVER,
    "X-Accel-Buffering": "no",
}


class EventStream:
    """Serves all followers of one conductor; `open` says whether it is still the one to ask."""

    def __init__(self, log: EventLog, open: Callable[[], bool]) -> None:
        self._log = log
        self._open = open
        self._followers = 0
        self._looking = asyncio.Lock()
        self._looked = -_LOOK_SECONDS
        self._newest = 0

    async def serve(
        self, request: web.BaseRequest, wanted: Filter, restriction: Restriction, last_event_id: str
    ) -> web.StreamResponse:
        """Send until the client leaves or this conductor is primary no more.

        Raises Invalid for an event that is not in the log (any more), Unavailable for too many followers.
        """
        if self._followers >= MOST_FOLLOWERS:
            raise Unavailable("Too many streams of events are open")
        self._followers += 1
        try:
            at = await self._start(last_event_id)
            response = web.StreamResponse(headers=_HEADERS)
            await response.prepare(request)
            await response.write(b": welcome\n\n")
            await self._follow(response, at, wanted, restriction)
            await response.write_eof()
            return response
        finally:
            self._followers -= 1

    async def _start(self, last_event_id: str) -> int:
        if not last_event_id:
            return await self._log.last()
        number = await self._log.number_of(last_event_id.lower())
        if number is None:
            raise Invalid(("header", "Last-Event-ID"), "There is no such event in the log", "not_found")
        return number

    async def _follow(
        self, response: web.StreamResponse, at: int, wanted: Filter, restriction: Restriction
    ) -> None:
        told = clock.monotonic()
        while self._open():
            newest = await self._look()
            if newest > at:
                found = await self._log.after(at, wanted, restriction, _TOGETHER)
                for _, event in found:
                    await response.write(
                        b"id: %b\nevent: %b\ndata: %b\n\n"
                        % (event.id.encode(), event.event_type.encode(), msgspec.json.encode(event))
                    )
                last = found[-1][0] if found else at
                at = last if len(found) == _TOGETHER else max(last, newest)
                told = clock.monotonic() if found else told
                if len(found) == _TOGETHER:
                    continue
            if clock.monotonic() - told > _ALIVE_SECONDS:
                await response.write(b": alive\n\n")
                told = clock.monotonic()
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> int:
        """The number of the newest event: one look for all followers."""
        async with self._looking:
            if clock.monotonic() - self._looked >= _LOOK_SECONDS:
                self._newest = await self._log.last()
                self._looked = clock.monotonic()
            return self._newest
