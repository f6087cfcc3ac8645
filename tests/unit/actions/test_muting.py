"""Jobs of an event in a maintenance window tell nobody (alerts.md, "Where to be better" 7)."""

from typing import Any

import pytest

from conductor.actions.muting import muted

WINDOW: dict[str, Any] = {
    "id": "w",
    "title": "Move",
    "enabled": True,
    "start": 100,
    "end": 200,
    "events": ["e1"],
}


@pytest.mark.parametrize(
    ("type_", "event", "changes", "now", "rests"),
    [
        ("email", "e1", {}, 150, True),
        ("web_hook", "e1", {}, 100, True),
        ("channel", "e1", {}, 199, True),
        ("email", "e1", {}, 200, False),
        ("email", "e1", {}, 99, False),
        ("email", "e2", {}, 150, False),
        ("email", "", {}, 150, False),
        ("ticket", "e1", {}, 150, False),
        ("run_event", "e1", {}, 150, False),
        ("store", "e1", {}, 150, False),
        ("email", "e1", {"enabled": False}, 150, False),
        ("email", "e1", {"events": "e1"}, 150, False),
        ("email", "e1", {"events": [], "everywhere": True}, 150, False),
        ("email", "e1", {"end": "x"}, 150, False),
    ],
)
def test_what_rests(type_: str, event: str, changes: dict[str, Any], now: float, rests: bool) -> None:
    result = muted(type_, event, [WINDOW | changes], now)
    assert (result is not None) is rests
    if result is not None:
        assert (result.code, result.description) == (0, "Nobody was told: maintenance window Move.")
