import hashlib
from typing import Any

import pytest

from conductor.definitions.triggers import as_stored, check_triggers, with_field_defaults
from conductor.errors import BadParameter
from tests.unit.definitions.samples import Books

GOOD: list[dict[str, Any]] = [
    {"type": "schedule"},
    {"type": "schedule", "hours": [19], "minutes": [0, 59], "days": [-7, -1, 1, 31], "weekdays": [0, 6]},
    {"type": "schedule", "years": [2030], "months": [1, 12], "timezone": "America/New_York"},
    {"type": "schedule", "timezone": "UTC", "hours": []},
    {"type": "schedule", "timezone": "Etc/GMT+5", "hours": None},
    {"type": "schedule", "timezone": "Europe/Kiev"},
    {"type": "interval", "start": 1_800_000_000, "duration": 90},
    {"type": "single", "epoch": 1_800_000_001},
    {"type": "range"},
    {"type": "range", "start": 100, "end": 100},
    {"type": "range", "end": 100},
    {"type": "blackout", "start": 60, "end": 120},
    {"type": "delay", "duration": 5},
    {"type": "precision", "seconds": [0, 30]},
    {"type": "nth", "every": 2},
    {"type": "quiet", "ephemeral": True},
    {"type": "keyboard", "keys": ["ctrl+k"]},
    {"type": "plugin", "plugin_id": "sched", "params": {"level": 4}},
    {"type": "manual"},
    {"type": "startup", "tags": ["important"]},
    {"type": "catchup"},
    {"type": "magic", "key": "secret", "body": "# Hello"},
    {"type": "magic", "token": "ab"},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"type": "nope"}, "#1: Unknown type"),
    ({"type": {}}, "#1: Unknown type"),
    ({"type": "schedule", "hours": 5}, r"hours \(must be array\)"),
    ({"type": "schedule", "hours": ["5"]}, "must be array of numbers"),
    ({"type": "schedule", "hours": [True]}, "must be array of numbers"),
    ({"type": "schedule", "hours": [24]}, "out of range: 24"),
    ({"type": "schedule", "hours": [1.5]}, "out of range: 1.5"),
    ({"type": "schedule", "minutes": [60]}, "minutes"),
    ({"type": "schedule", "days": [0]}, "out of range: 0"),
    ({"type": "schedule", "days": [-8]}, "out of range"),
    ({"type": "schedule", "weekdays": [7]}, "out of range"),
    ({"type": "schedule", "years": [0]}, "out of range"),
    ({"type": "schedule", "months": [13]}, "out of range"),
    ({"type": "schedule", "timezone": "Mars/Base"}, "Unknown timezone: Mars/Base"),
    ({"type": "schedule", "timezone": "../../etc/passwd"}, "Invalid timezone"),
    ({"type": "schedule", "timezone": "America"}, "Unknown timezone"),
    ({"type": "schedule", "timezone": 5}, "Invalid timezone"),
    ({"type": "interval", "duration": 5}, "Invalid starting date/time"),
    ({"type": "interval", "start": "100", "duration": 5}, "Invalid starting date/time"),
    ({"type": "interval", "start": 100}, "missing duration"),
    ({"type": "interval", "start": 100, "duration": -5}, "missing duration"),
    ({"type": "single"}, "single shot"),
    ({"type": "single", "epoch": "100"}, "single shot"),
    ({"type": "single", "epoch": 1.5}, "single shot"),
    ({"type": "range", "start": 200, "end": 100}, "start is after the end"),
    ({"type": "range", "start": "x"}, "Invalid start"),
    ({"type": "blackout", "start": 60}, "required for blackout"),
    ({"type": "delay"}, "missing duration"),
    ({"type": "precision"}, "missing seconds"),
    ({"type": "precision", "seconds": [60]}, "out of range"),
    ({"type": "nth", "every": 1}, "must be 2 or higher"),
    ({"type": "nth"}, "must be 2 or higher"),
    ({"type": "quiet"}, "one or more modes"),
    ({"type": "keyboard", "keys": []}, "no shortcuts"),
    ({"type": "plugin", "plugin_id": "shellplug"}, "Scheduler Plugin not found: shellplug"),
    ({"type": "plugin", "plugin_id": "sched", "params": {"level": 99}}, "value is invalid"),
    ({"type": "magic", "key": 5}, "magic key"),
    ({"type": "manual", "params": {"_xy_override_command": "x"}}, "reserved"),
    ({"type": "manual", "params": {"who": ""}}, "Parameter 'who' is required"),
    ({"type": "manual", "params": 5}, "must be object"),
    ({"type": "manual", "tags": "x"}, "tag list"),
]
FIELDS = [{"id": "who", "type": "text", "required": True}]


@pytest.mark.parametrize("trigger", GOOD, ids=lambda trigger: trigger["type"])
def test_good(trigger: dict[str, Any]) -> None:
    check_triggers([{"enabled": True, **trigger}], [], Books())


@pytest.mark.parametrize(("trigger", "text"), BAD)
def test_bad(trigger: dict[str, Any], text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_triggers([{"enabled": True, **trigger}], FIELDS, Books())


ONE = {trigger["type"]: trigger for trigger in GOOD}


@pytest.mark.parametrize("type_", ["startup", "catchup", "nth", "manual", "precision", "quiet", "plugin"])
def test_some_may_be_enabled_once(type_: str) -> None:
    on, off = {**ONE[type_], "enabled": True}, {**ONE[type_], "enabled": False}
    check_triggers([on, off, off], [], Books())
    with pytest.raises(BadParameter, match=f"Only one {type_} rule"):
        check_triggers([on, on], [], Books())


@pytest.mark.parametrize(
    ("one", "other"), [("interval", "precision"), ("interval", "delay"), ("precision", "delay")]
)
def test_some_exclude_each_other(one: str, other: str) -> None:
    with pytest.raises(BadParameter, match="mutually exclusive"):
        check_triggers([{**ONE[one], "enabled": True}, {**ONE[other], "enabled": True}], [], Books())
    check_triggers([{**ONE[one], "enabled": True}, {**ONE[other], "enabled": False}], [], Books())


@pytest.mark.parametrize("type_", ["schedule", "interval", "single", "magic", "range", "blackout", "delay"])
def test_others_may_repeat(type_: str) -> None:
    check_triggers([{**ONE[type_], "enabled": True}] * 2, [], Books())


def test_times_are_floored_to_the_minute() -> None:
    stored = as_stored(
        [
            {"type": "single", "epoch": 119},
            {"type": "range", "start": 61, "end": 179},
            {"type": "blackout", "start": 61, "end": 179},
            {"type": "interval", "start": 61, "duration": 7},
        ],
        "e1",
    )
    assert [{**trigger, "type": ""} for trigger in stored] == [
        {"type": "", "epoch": 60},
        {"type": "", "start": 60, "end": 120},
        {"type": "", "start": 60, "end": 120},
        {"type": "", "start": 61, "duration": 7},
    ]


def test_a_magic_key_is_stored_as_its_token_only() -> None:
    [hashed, kept] = as_stored([{"type": "magic", "key": "open"}, {"type": "magic", "token": "t"}], "e1")
    assert hashed == {"type": "magic", "token": hashlib.sha256(b"opene1").hexdigest()}
    assert kept == {"type": "magic", "token": "t"}


def test_missing_field_values_are_filled_in_and_hidden_ones_reset() -> None:
    fields = [
        {"id": "a", "type": "text", "value": "x"},
        {"id": "s", "type": "select", "value": "One [1], Two"},
        {"id": "j", "type": "json", "value": {"k": [1]}},
        {"id": "h", "type": "hidden", "value": "fixed"},
        {"id": "g", "type": "group", "value": "no"},
    ]
    triggers = [{"type": "schedule", "params": {"a": "mine", "h": "forged"}}, {"type": "manual"}]
    filled = with_field_defaults(triggers, fields)
    assert filled == [
        {"type": "schedule", "params": {"a": "mine", "s": "1", "j": {"k": [1]}, "h": "fixed"}},
        {"type": "manual"},
    ]
    assert filled[0]["params"]["j"] is not fields[2]["value"]
    assert triggers[0]["params"] == {"a": "mine", "h": "forged"}
