"""A sample of a server as it is now, asked of its satellite (docs/satellite-wire.md, `takeSample`)."""

from collections.abc import Mapping
from typing import Any

from conductor.errors import Unavailable
from conductor.fleet.questions import Questions
from conductor.monitoring.intake import BadSample, cut, encoded
from shared.clock import Seconds

FEATURE = "takeSample"
_PATIENCE: Seconds = 3.0

Json = dict[str, Any]


class FreshSamples:
    """Fills the port `Fresh` of snapshots."""

    def __init__(self, questions: Questions, patience: Seconds = _PATIENCE) -> None:
        self._questions = questions
        self._patience = patience

    async def take(self, server: Mapping[str, Any]) -> Json | None:
        """`data` of a sample; None where the satellite cannot, does not in time, or sends what cannot be kept."""
        features = (server.get("info") or {}).get("features")
        if not isinstance(features, dict) or not features.get(FEATURE):
            return None
        try:
            _, answer = await self._questions.ask(str(server["id"]), FEATURE, {}, self._patience)
        except Unavailable:
            return None
        data = answer.get("data") if answer else None
        if not isinstance(data, dict) or not data or data.get("dummy"):
            return None
        cut(data)
        try:
            encoded(data)
        except BadSample:
            return None
        return data
