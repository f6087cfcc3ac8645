from typing import Any

import pytest

from conductor.definitions.actions import check_actions
from conductor.errors import BadParameter
from tests.unit.definitions.samples import Books

ON = {"enabled": True, "condition": "error"}
GOOD: list[dict[str, Any]] = [
    {"type": "email", "email": "a@example.com"},
    {"type": "email", "users": ["ann"]},
    {"type": "email", "users": [], "email": "a@example.com"},
    {"type": "web_hook", "web_hook": "gone_hook"},
    {"type": "run_event", "event_id": "e1"},
    {"type": "run_event", "event_id": "e1", "params": {"who": "x", "more": 1}},
    {"type": "channel", "channel_id": "sev1"},
    {"type": "store", "bucket_id": "b1", "bucket_sync": "data"},
    {"type": "fetch", "bucket_id": "b1", "bucket_sync": "data_and_files"},
    {
        "type": "ticket",
        "ticket_type": "issue",
        "ticket_assignees": [],
        "ticket_tags": [],
        "ticket_due": "3 days",
    },
    {"type": "tag", "tags": ["important"]},
    {"type": "label", "label": "{{id}}"},
    {"type": "plugin", "plugin_id": "act", "params": {"level": "3"}},
    {"type": "snapshot"},
    {"type": "suspend"},
    {"type": "disable"},
    {"type": "delete"},
    {"type": "snapshot", "condition": "tag:important"},
    {"type": "snapshot", "condition": "alert_new"},
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"type": "nope"}, "#1: Unknown type"),
    ({"type": None}, "Unknown type"),
    ({"type": "snapshot", "condition": "continue"}, "Invalid condition"),
    ({"type": "snapshot", "condition": ["error"]}, "Invalid condition"),
    ({"type": "snapshot", "condition": "error\n"}, "Invalid condition"),
    ({"type": "email"}, "No email addresses"),
    ({"type": "email", "users": "ann"}, "Invalid user list"),
    ({"type": "email", "users": [], "email": 5}, "Invalid email"),
    ({"type": "web_hook", "web_hook": "a b"}, "Invalid Web Hook ID"),
    ({"type": "run_event"}, "Invalid Event ID"),
    ({"type": "run_event", "event_id": "e9"}, "Event not found: e9"),
    ({"type": "run_event", "event_id": "e1", "params": {}}, "Parameter 'who' is required"),
    ({"type": "run_event", "event_id": "e1", "params": []}, "must be object"),
    ({"type": "run_event", "event_id": "e1", "params": {"who": "x", "_xy_override_uid": 0}}, "reserved"),
    ({"type": "channel", "channel_id": 5}, "Invalid Channel ID"),
    ({"type": "store", "bucket_id": ""}, "Invalid Bucket ID"),
    ({"type": "store", "bucket_id": "b", "bucket_sync": {}}, "sync type"),
    ({"type": "ticket", "ticket_type": "bug"}, "Ticket type"),
    ({"type": "ticket", "ticket_type": "issue"}, "assignees"),
    ({"type": "ticket", "ticket_type": "issue", "ticket_assignees": []}, "tag list"),
    (
        {
            "type": "ticket",
            "ticket_type": "issue",
            "ticket_assignees": [],
            "ticket_tags": [],
            "ticket_due": [1],
        },
        "due",
    ),
    ({"type": "tag", "tags": []}, "No tags selected"),
    ({"type": "tag", "tags": "x"}, "Invalid tag list"),
    ({"type": "label"}, "Invalid label"),
    ({"type": "label", "label": "<b>"}, "invalid characters"),
    ({"type": "label", "label": " "}, "No label"),
    ({"type": "plugin", "plugin_id": "shellplug"}, "Plugin not found: shellplug"),
    ({"type": "plugin", "plugin_id": "act", "params": {"level": 12}}, r"value is invalid \(1-9/1\)"),
]


@pytest.mark.parametrize("action", GOOD, ids=lambda action: action["type"])
def test_good(action: dict[str, Any]) -> None:
    check_actions([{**ON, **action}], Books())


@pytest.mark.parametrize(("action", "text"), BAD)
def test_bad(action: dict[str, Any], text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_actions([{**ON, **action}], Books())


@pytest.mark.parametrize(
    ("actions", "text"),
    [({}, "must be array"), ([1], "Not an object"), ([{"type": "tag"}], "Missing enabled flag")],
)
def test_the_list_itself(actions: Any, text: str) -> None:
    with pytest.raises(BadParameter, match=text):
        check_actions(actions, Books())
