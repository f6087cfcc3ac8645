"""Tests of monitor plugins on a satellite (contract monitoring.md §7)."""

from typing import Any

from conductor.fleet.questions import Questions
from shared.clock import Seconds
from shared.protocol.updates import storable

TEST_SECONDS: Seconds = 10.0

Json = dict[str, Any]


class PluginTests:
    def __init__(self, questions: Questions, timeout: Seconds = TEST_SECONDS) -> None:
        self._questions = questions
        self._timeout = timeout

    async def run(self, server_id: str, plugin_id: str) -> Json:
        """`plugin_id, request_id, result, stderr`; a satellite that does not answer gives an error as result.

        Raises Unavailable.
        """
        about = {"plugin_id": plugin_id}
        request, answer = await self._questions.ask(server_id, "testMonitorPlugin", about, self._timeout)
        if answer is None:
            seconds = f"{self._timeout:g} seconds"
            text = f"Error: Remote plugin test has timed out ({seconds})."
            return {**request, "result": text, "stderr": ""}
        result = answer.get("result")
        return {
            **request,
            "result": result if storable(result) else "Error: The result cannot be shown",
            "stderr": str(answer.get("stderr") or ""),
        }
