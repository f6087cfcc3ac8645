"""Which actions run (contract actions.md §4)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.actions.conditions import allowed, ordered
from conductor.actions.selection import chosen, for_alert, instant, key


def action(type_: str, condition: str = "complete", **more: Any) -> dict[str, Any]:
    return {"enabled": True, "condition": condition, "type": type_, **more}


def test_conditions_come_in_the_contracts_order_and_the_list_order_within() -> None:
    actions = [
        action("tag", "tag:x", tags=["c"]),
        action("tag", "error", tags=["b"]),
        action("snapshot", "complete"),
        action("tag", "complete", tags=["a"]),
    ]
    assert chosen(actions, ["complete", "error", "tag:x"]) == [2, 3, 1, 0]


def test_disabled_ones_other_conditions_and_nonsense_are_left_out() -> None:
    actions = [
        {**action("snapshot"), "enabled": False},
        action("snapshot", "success"),
        "nonsense",
        None,
        {"enabled": True, "condition": ["complete"], "type": {}},
        action("disable"),
    ]
    assert chosen(actions, ["complete"]) == [5]
    assert chosen("nonsense", ["complete"]) == []
    assert chosen(None, ["complete"]) == []


SAME = [
    ({"type": "email", "users": ["a"], "email": "x@y"}, {"type": "email", "users": ["a"], "email": "x@y"}),
    ({"type": "email", "users": ["a"]}, {"type": "email", "users": ["a"], "email": ""}),
    ({"type": "web_hook", "web_hook": "w"}, {"type": "web_hook", "web_hook": "w", "text": "more"}),
    ({"type": "channel", "channel_id": "c"}, {"type": "channel", "channel_id": "c"}),
    ({"type": "snapshot"}, {"type": "snapshot", "source": "universal"}),
    ({"type": "suspend", "email": "a"}, {"type": "suspend", "email": "b"}),
    (
        {"type": "run_event", "event_id": "e", "params": {"a": 1, "b": 2}},
        {"type": "run_event", "event_id": "e", "params": {"b": 2, "a": 1}},
    ),
]
OTHER = [
    ({"type": "tag", "tags": ["a"]}, {"type": "tag", "tags": ["b"]}),
    ({"type": "label", "label": "a"}, {"type": "label", "label": "b"}),
    ({"type": "ticket", "ticket_type": "issue"}, {"type": "ticket", "ticket_type": "change"}),
    (
        {"type": "ticket", "ticket_type": "issue", "ticket_assignees": ["a"]},
        {"type": "ticket", "ticket_type": "issue", "ticket_assignees": ["b"]},
    ),
    (
        {"type": "run_event", "event_id": "e", "params": {"a": 1}},
        {"type": "run_event", "event_id": "e", "params": {"a": 2}},
    ),
    ({"type": "plugin", "plugin_id": "p", "params": {"a": 1}}, {"type": "plugin", "plugin_id": "p"}),
    ({"type": "email", "email": "x", "body": "one"}, {"type": "email", "email": "x", "body": "two"}),
    (
        {"type": "store", "bucket_id": "b", "bucket_glob": "*.a"},
        {"type": "store", "bucket_id": "b", "bucket_glob": "*.b"},
    ),
    ({"type": "store", "bucket_id": "b"}, {"type": "fetch", "bucket_id": "b"}),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_duplicates_run_once_the_first_wins(one: dict[str, Any], two: dict[str, Any]) -> None:
    actions = [
        {**one, "enabled": True, "condition": "complete"},
        {**two, "enabled": True, "condition": "error"},
    ]
    assert chosen(actions, ["complete", "error"]) == [0]


@pytest.mark.parametrize(("one", "two"), OTHER)
def test_better_1_actions_with_another_effect_are_no_duplicates(
    one: dict[str, Any], two: dict[str, Any]
) -> None:
    """The original keeps one of each type: a second tag, label or ticket is lost."""
    actions = [
        {**one, "enabled": True, "condition": "complete"},
        {**two, "enabled": True, "condition": "error"},
    ]
    assert chosen(actions, ["complete", "error"]) == [0, 1]


def test_what_has_run_does_not_run_again_nor_does_its_duplicate() -> None:
    actions = [
        action("snapshot", code=0),
        action("snapshot", "error"),
        action("tag", tags=["a"], active=True),
    ]
    assert chosen(actions, ["complete", "error"]) == [2]


def test_a_job_may_push_the_same_instant_action_twice() -> None:
    pushed = action("web_hook", "instant", web_hook="w")
    actions = [{**pushed, "code": 0}, pushed, dict(pushed)]
    assert instant(actions) == [1, 2]
    assert chosen(actions, ["instant"]) == [1, 2]


json_value = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
any_action = st.fixed_dictionaries(
    {
        "enabled": json_value,
        "condition": st.sampled_from(["complete", "error", "instant", "x"]) | json_value,
        "type": st.sampled_from(["email", "tag", "store", "plugin", "nope"]) | json_value,
    },
    optional={"tags": json_value, "users": json_value, "params": json_value, "code": json_value},
)


@given(st.lists(any_action | json_value, max_size=6), st.lists(st.sampled_from(["complete", "error", "x"])))
def test_any_document_is_chosen_from_and_each_action_once(actions: list[Any], conditions: list[str]) -> None:
    found = chosen(actions, conditions)
    assert len(set(found)) == len(found)
    assert all("code" not in actions[index] and actions[index]["enabled"] for index in found)
    keys = [key(actions[index]) for index in found]
    assert len(set(keys)) == len(keys)


def test_alerts_collect_their_own_their_groups_and_the_configured_actions() -> None:
    definition = {
        "actions": [action("email", "alert_new", email="x"), action("tag", "alert_new", tags=["a"])]
    }
    groups = [
        {
            "alert_actions": [
                action("email", "alert_new", email="x"),
                action("channel", "alert_new", channel_id="c"),
            ]
        }
    ]
    universal = [action("snapshot", "alert_new"), action("snapshot", "alert_cleared")]
    found = for_alert(definition, groups, universal, "alert_new")
    assert [(one["type"], one.get("source")) for one in found] == [
        ("email", None), ("channel", "group"), ("snapshot", "universal"),
    ]  # fmt: skip
    assert found[0] is not definition["actions"][0]
    alone = for_alert({**definition, "exclusive_actions": True}, groups, universal, "alert_new")
    assert [one["type"] for one in alone] == ["email"]


def test_a_test_run_may_name_the_only_conditions_that_fire() -> None:
    job = {"test": True, "test_conditions": ["success"]}
    assert allowed(job, ["complete", "success"]) == ["success"]
    assert allowed({"test_conditions": ["success"]}, ["complete", "success"]) == ["complete", "success"]
    assert allowed({"test": True}, ["complete"]) == ["complete"]
    assert ordered(["tag:b", "error", "complete", "tag:a"]) == ["complete", "error", "tag:b", "tag:a"]
