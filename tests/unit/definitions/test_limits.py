from typing import Any

import pytest

from conductor.definitions.limits import check_limits
from conductor.errors import BadParameter

GOOD: list[list[dict[str, Any]]] = [
    [],
    [{"type": "mem", "enabled": True, "amount": 1024, "duration": ""}],
    [{"type": "cpu", "enabled": False, "amount": 50.5, "duration": 10}],
    [{"type": "time", "enabled": 1, "duration": 3600}],
    [{"type": "retry", "enabled": True}],
    [{"type": "file", "enabled": True, "amount": 0, "size": 5, "accept": ".csv, .txt"}],
    [{"type": "day", "enabled": True, "condition": "continue", "amount": 3}],
    [{"type": "queue", "enabled": True, "amount": 0}],
    [{"type": "queue", "enabled": False, "amount": 5}],
    [{"type": "queue", "enabled": True, "amount": 5}, {"type": "job", "enabled": True, "amount": 1}],
    [{"type": "tag", "enabled": None, "amount": 2}],
]
BAD: list[tuple[Any, str]] = [
    ({}, "must be array"),
    ("x", "must be array"),
    ([5], "#1: Not an object"),
    ([{"type": "job", "amount": 1}], "#1: Missing enabled flag"),
    ([{"enabled": True, "type": "retry"}, {"enabled": True, "type": "nope"}], "#2: Unknown type"),
    ([{"enabled": True, "type": ["job"]}], "Unknown type"),
    ([{"enabled": True, "type": "job"}], r"Invalid max jobs \(not a number\)"),
    ([{"enabled": True, "type": "job", "amount": 0}], "must be a positive number"),
    ([{"enabled": True, "type": "job", "amount": True}], "not a number"),
    ([{"enabled": True, "type": "mem", "amount": "5"}], "Invalid memory amount"),
    ([{"enabled": True, "type": "mem", "amount": 5, "duration": "x"}], "Invalid memory duration"),
    ([{"enabled": True, "type": "time"}], "Invalid time limit"),
    ([{"enabled": True, "type": "log"}], "Invalid max log size"),
    ([{"enabled": True, "type": "retry", "amount": []}], "Invalid max retries"),
    ([{"enabled": True, "type": "file", "accept": "*.csv"}], "Invalid file type list"),
    ([{"enabled": True, "type": "file", "size": {}}], "Invalid max file size"),
    ([{"enabled": True, "type": "day"}], "Invalid condition"),
    ([{"enabled": True, "type": "queue", "amount": 5}], "Limit Configuration"),
    (
        [{"enabled": True, "type": "queue", "amount": 5}, {"enabled": False, "type": "job", "amount": 1}],
        "Limit Configuration",
    ),
]


@pytest.mark.parametrize("limits", GOOD)
def test_good(limits: list[Any]) -> None:
    check_limits(limits)


@pytest.mark.parametrize(("limits", "text"), BAD)
def test_bad(limits: Any, text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_limits(limits)
