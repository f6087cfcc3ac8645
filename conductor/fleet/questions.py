"""Questions to a satellite by its socket, and the answers by their IDs."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from conductor.errors import Unavailable
from shared import ids
from shared.clock import Seconds

_MOST = 100
"""Under way at a time."""

Json = dict[str, Any]


class Questions:
    """`tell(server, cmd, data)` sends to a satellite."""

    def __init__(self, tell: Callable[[str, str, Any], None]) -> None:
        self._tell = tell
        self._waiting: dict[str, tuple[str, asyncio.Future[Json]]] = {}

    async def ask(
        self, server_id: str, cmd: str, about: Mapping[str, Any], timeout: Seconds
    ) -> tuple[Json, Json | None]:
        """The question as it was sent, with its `request_id`, and the answer; None if there is none in time.

        Raises Unavailable while there are too many.
        """
        if len(self._waiting) >= _MOST:
            raise Unavailable("Too many questions to satellites at once")
        request = {**about, "request_id": ids.short_id("r")}
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[request["request_id"]] = server_id, answer
        self._tell(server_id, cmd, request)
        try:
            async with asyncio.timeout(timeout):
                return request, await answer
        except TimeoutError:
            return request, None
        finally:
            del self._waiting[request["request_id"]]

    def answered(self, server_id: str, message: Json) -> None:
        """A satellite's answer. One that nobody waits for, or another server's, is ignored."""
        asked, answer = self._waiting.get(str(message.get("request_id")), ("", None))
        if answer is not None and asked == server_id and not answer.done():
            answer.set_result(message)
