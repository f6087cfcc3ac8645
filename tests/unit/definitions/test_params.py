from typing import Any

import pytest

from conductor.definitions.locked import for_run, forced, without_locked
from conductor.definitions.param_definitions import check_event_fields, check_plugin_params
from conductor.definitions.params import check_values, complete_params, default_of, in_range
from conductor.errors import BadParameter


@pytest.mark.parametrize(
    ("value", "range_", "inside"),
    [
        (5, "1-10/1", True),
        ("5", "1-10/1", True),
        (" 5 ", "1 - 10 / 1", True),
        (0.3, "0-1/0.1", True),
        (0.35, "0-1/0.1", False),
        (0.35, "0-1/any", True),
        (-3, "-5--1/1", True),
        (11, "1-10/1", False),
        ("x", "1-10/1", False),
        (5, "1-10", False),
        (5, "nonsense", False),
        (5, "1-10/0", False),
        (5, 7, False),
        ([5], "1-10/1", False),
        ("1e999", "0-9/1", False),
    ],
)
def test_ranges(value: Any, range_: Any, inside: bool) -> None:
    assert in_range(value, range_) is inside


FIELDS = [
    {"id": "a", "type": "text", "required": True},
    {"id": "b", "type": "text", "regex": "^x"},
    {"id": "c", "type": "text", "range": "1-3/1"},
]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "Event: Parameter 'a' is required."),
        ({"a": ""}, "Event: Parameter 'a' is required."),
        ({"a": None}, "Event: Parameter 'a' is required."),
        ({"a": 1, "b": "y"}, "Event: Parameter 'b' value is invalid."),
        ({"a": 1, "c": 9}, r"Event: Parameter 'c' value is invalid \(1-3/1\)."),
    ],
)
def test_values_are_refused_by_name(values: dict[str, Any], text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_values(values, FIELDS, "Event")


def test_values_that_fit() -> None:
    check_values({"a": False, "b": "xy", "c": "2", "d": {}}, FIELDS, "Event")
    check_values({}, "no fields at all", "Event")


@pytest.mark.parametrize(
    ("field", "default"),
    [
        ({"type": "text", "value": "x"}, "x"),
        ({"type": "select", "value": "One [1], Two"}, "1"),
        ({"type": "select", "value": ", Two"}, ""),
        ({"type": "select", "value": "A,B", "multiple": True}, ["A"]),
        ({"type": "json"}, {}),
        ({"type": "checkbox"}, False),
        ({"type": "toolset", "data": {"default": "t1"}}, "t1"),
        ({"type": "system"}, None),
    ],
)
def test_defaults(field: dict[str, Any], default: Any) -> None:
    assert default_of(field) == default


def test_a_launch_takes_given_then_stored_then_default() -> None:
    fields = [{"id": name, "type": "text", "value": "default"} for name in "abc"]
    assert complete_params({"a": "given"}, {"a": "stored", "b": "stored"}, fields) == {
        "a": "given",
        "b": "stored",
        "c": "default",
    }


GOOD_PARAM = {"id": "a", "title": "A", "type": "text"}
TOOLS = {
    "default": "t",
    "tools": [
        {"id": "t", "title": "T", "fields": [{"id": "f", "title": "F", "type": "text", "value": ""}]},
    ],
}
TOOLSET = {"id": "tool", "title": "Tool", "type": "toolset", "data": TOOLS}


def _field(**changes: Any) -> dict[str, Any]:
    field = {"id": "f", "title": "F", "type": "text", "value": "", **changes}
    return {**TOOLSET, "data": {"tools": [{"id": "t", "title": "T", "fields": [field]}]}}


@pytest.mark.parametrize(
    "param",
    [
        GOOD_PARAM,
        {**GOOD_PARAM, "variant": "number", "regex": r"^\d+$", "caption": "fine"},
        {**GOOD_PARAM, "id": "_xy_override_targets"},
        TOOLSET,
        _field(type="checkbox", value=True),
        _field(type="json", value=None),
        _field(variant="number", value=None),
    ],
)
def test_good_plugin_params(param: dict[str, Any]) -> None:
    check_plugin_params([param])


@pytest.mark.parametrize(
    ("params", "text"),
    [
        ({}, "must be array"),
        ([5], "n/a: Not an object"),
        ([{**GOOD_PARAM, "id": 5}], "n/a: ID is not a string"),
        ([{**GOOD_PARAM, "id": "1a"}], "illegal characters"),
        ([{**GOOD_PARAM, "id": "a b"}], "n/a: ID contains illegal"),
        ([{**GOOD_PARAM, "id": "toString"}], "reserved word"),
        ([{**GOOD_PARAM, "id": "_xy_override_valueOf"}], "reserved word"),
        ([{**GOOD_PARAM, "id": "_xy_override_uid"}], r"\(reserved\)"),
        ([GOOD_PARAM, GOOD_PARAM], "a: Duplicate ID"),
        ([{**GOOD_PARAM, "type": "number"}], "a: Invalid type"),
        ([{**GOOD_PARAM, "title": " "}], "a: Missing title"),
        ([{**GOOD_PARAM, "title": "<b>"}], "a: Invalid title"),
        ([{**GOOD_PARAM, "caption": "<b>"}], "a: Invalid caption"),
        ([{**GOOD_PARAM, "variant": "nope"}], "a: Invalid variant"),
        ([{**GOOD_PARAM, "regex": "("}], "a: Invalid regular expression"),
        ([{**TOOLSET, "data": None}], "Toolset data: tools must be"),
        ([{**TOOLSET, "data": {"tools": []}}], "Toolset data: tools must be"),
        ([{**TOOLSET, "data": {"tools": [{"id": "t", "title": ""}]}}], "t: Invalid title"),
        (
            [{**TOOLSET, "data": {"tools": [{"id": "t", "title": "T", "fields": 5}]}}],
            "fields must be an array",
        ),
        ([GOOD_PARAM, _field(id="a")], "already used"),
        ([_field(id="tool")], "already used"),
        ([_field(type="bucket")], "Invalid type"),
        ([_field(value=5)], "Invalid value"),
        ([_field(type="checkbox", value="yes")], "Invalid value"),
    ],
)
def test_bad_plugin_params(params: Any, text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_plugin_params(params)


def test_event_fields_may_be_untitled_but_not_take_a_locked_id() -> None:
    check_event_fields([{"id": "1a", "type": "text"}], {"script"})
    with pytest.raises(BadParameter, match="locked parameter"):
        check_event_fields([{"id": "script", "type": "text"}], {"script"})


LOCKED = [
    {"id": "script", "type": "code", "value": "default", "locked": True},
    {"id": "free", "type": "text"},
]


def test_locked_params_have_the_kept_value_or_the_default() -> None:
    assert forced({"script": "mine", "free": 1}, LOCKED, {"script": "kept"}) == {"script": "kept", "free": 1}
    assert forced({"script": "mine"}, LOCKED, {}) == {"script": "default"}
    assert forced({"x": "mine"}, [{"id": "x", "type": "system", "locked": True}], {}) == {}


def test_a_locked_toolset_locks_its_tools_fields() -> None:
    toolset = {**TOOLSET, "locked": True}
    assert forced({"tool": "other", "f": "mine"}, [toolset], {"tool": "t", "f": "kept"}) == {
        "tool": "t",
        "f": "kept",
    }


def test_a_run_keeps_locked_and_hidden_values() -> None:
    event = {
        "params": {"script": "kept", "l": "kept"},
        "fields": [
            {"id": "l", "type": "text", "locked": True},
            {"id": "h", "type": "hidden", "value": "h"},
            {"id": "o", "type": "text"},
        ],
    }
    params = for_run({"script": "x", "l": "x", "h": "x", "o": "x"}, event, {"params": LOCKED})
    assert params == {"script": "kept", "l": "kept", "h": "h", "o": "x"}


def test_a_trigger_is_no_way_round_a_lock() -> None:
    before = [{"type": "schedule", "params": {"script": "approved"}}]
    sent = [
        {"type": "schedule", "params": {"script": "approved"}},
        {"type": "schedule", "params": {"script": "mine", "free": 1}},
    ]
    assert without_locked(sent, LOCKED, before) == [sent[0], {"type": "schedule", "params": {"free": 1}}]
