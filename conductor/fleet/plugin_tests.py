"""Tests of monitor plugins on a satellite (contract monitoring.md §7): a question by socket, an answer by its ID."""

import asyncio
from collections.abc import Callable
from typing import Any

from conductor.errors import Unavailable
from shared import ids
from shared.clock import Seconds
from shared.protocol.updates import storable

TEST_SECONDS: Seconds = 10.0
_MOST = 100
"""Tests under way at a time."""

Json = dict[str, Any]


class PluginTests:
    """`tell(server, cmd, data)` sends to a satellite."""

    def __init__(self, tell: Callable[[str, str, Any], None], timeout: Seconds = TEST_SECONDS) -> None:
        self._tell = tell
        self._timeout = timeout
        self._waiting: dict[str, tuple[str, asyncio.Future[Json]]] = {}

    async def run(self, server_id: str, plugin_id: str) -> Json:
        """`plugin_id, request_id, result, stderr`; a satellite that does not answer gives an error as result."""
        if len(self._waiting) >= _MOST:
            raise Unavailable("Too many tests of plugins at once")
        request = {"plugin_id": plugin_id, "request_id": ids.short_id("r")}
        answer: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[request["request_id"]] = server_id, answer
        self._tell(server_id, "testMonitorPlugin", request)
        try:
            async with asyncio.timeout(self._timeout):
                return {**await answer, **request}
        except TimeoutError:
            seconds = f"{self._timeout:g} seconds"
            return {
                **request,
                "result": f"Error: Remote plugin test has timed out ({seconds}).",
                "stderr": "",
            }
        finally:
            del self._waiting[request["request_id"]]

    def answered(self, server_id: str, message: Json) -> None:
        """A satellite's answer. One that nobody waits for, or another server's, is ignored."""
        asked, answer = self._waiting.get(str(message.get("request_id")), ("", None))
        if answer is None or asked != server_id or answer.done():
            return
        result = message.get("result")
        answer.set_result(
            {
                "result": result if storable(result) else "Error: The result cannot be shown",
                "stderr": str(message.get("stderr") or ""),
            }
        )
