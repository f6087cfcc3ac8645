"""Who names whom, and what others lose with a definition."""

from typing import Any

import pytest

from conductor.definitions.json_values import Json
from conductor.definitions.kinds import KINDS
from conductor.definitions.references import referrers, released
from tests.unit.definitions.samples import EVENT, WORKFLOW, Books

ACTIONS = [
    {"type": "run_event", "enabled": True, "condition": "error", "event_id": "e1"},
    {"type": "web_hook", "enabled": True, "condition": "error", "web_hook": "example_hook"},
    {"type": "channel", "enabled": True, "condition": "error", "channel_id": "sev1"},
    {"type": "store", "enabled": True, "condition": "error", "bucket_id": "b1"},
    {"type": "plugin", "enabled": True, "condition": "error", "plugin_id": "act"},
    {"type": "tag", "enabled": True, "condition": "error", "tags": ["flag"]},
]


def books(**more: Any) -> Books:
    made = Books()
    made.add("buckets", id="b1", title="B")
    made.add("events", id="e2", **{**EVENT, "actions": ACTIONS, "algo": "monitor:load_avg", "tags": ["flag"]})
    made.add("events", id="e3", **{**EVENT, "algo": "load_avg"})
    made.add("events", id="w1", **WORKFLOW)
    made.add("channels", id="c1", title="C", web_hook="example_hook", run_event="e1")
    made.add("secrets", id="z1", title="Z", events=["e1", "e2"], web_hooks=["example_hook"], plugins=["act"])
    made.add("api_keys", id="k1", title="K", roles=["all"], categories=["general"])
    for kind, doc in more.items():
        made.add(kind, **doc)
    return made


@pytest.mark.parametrize(
    ("kind", "id", "expected"),
    [
        ("events", "e1", {("channels", "c1"): "run_event", ("events", "e2"): "actions",
                          ("events", "w1"): "workflow", ("secrets", "z1"): "events"}),
        ("web_hooks", "example_hook", {("channels", "c1"): "web_hook", ("events", "e2"): "actions",
                                       ("secrets", "z1"): "web_hooks"}),
        ("channels", "sev1", {("events", "e2"): "actions"}),
        ("buckets", "b1", {("events", "e2"): "actions"}),
        ("plugins", "act", {("events", "e2"): "actions", ("secrets", "z1"): "plugins"}),
        ("plugins", "plain", {("events", "w1"): "workflow"}),
        ("monitors", "load_avg", {("alerts", "load_avg_high"): "monitor_id", ("events", "e2"): "algo",
                                     ("events", "e3"): "algo"}),
        ("roles", "all", {("api_keys", "k1"): "roles"}),
        ("tags", "important", {}),
    ],
)  # fmt: skip
def test_referrers(kind: str, id: str, expected: dict[tuple[str, str], str]) -> None:
    found = referrers(books(), kind, id)
    assert {(one.kind, one.id): one.where for one in found} == {key: (at,) for key, at in expected.items()}


def test_one_that_names_it_twice_is_told_once() -> None:
    found = [one for one in referrers(books(), "tags", "flag") if one.id == "e2"]
    assert [one.where for one in found] == [("tags", "actions")]


def test_released() -> None:
    library = books()
    assert [(kind, doc["id"], changes) for kind, doc, changes in released("events", "e1", library)] == [
        ("secrets", "z1", {"events": ["e2"]})
    ]
    assert [changes for _, _, changes in released("roles", "all", library)] == [{"roles": []}]
    assert released("categories", "general", library) == []  # a key's emptied limit would mean "all"


def test_a_tag_leaves_events_and_their_nodes() -> None:
    workflow: Json = {
        "nodes": [{"id": "n", "type": "job", "data": {"tags": ["flag", "x"]}}, 5],
        "connections": [],
    }
    library = books()
    library.add("events", id="w2", title="W", tags=["flag"], workflow=workflow)
    changed = {doc["id"]: changes for _, doc, changes in released("tags", "flag", library)}
    assert changed["e2"] == {"tags": []}
    assert changed["w2"]["tags"] == []
    assert changed["w2"]["workflow"]["nodes"] == [{"id": "n", "type": "job", "data": {"tags": ["x"]}}, 5]
    assert workflow["nodes"][0]["data"]["tags"] == ["flag", "x"]


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_imports_of_any_shape_are_looked_through(kind: str) -> None:
    odd: Json = {"id": "odd", "workflow": {"nodes": 5}, "actions": {}, "triggers": [1], "fields": "x", "targets": 5,
                 "params": [], "plugin": {}, "tags": {"a": 1}, "algo": 7, "roles": None}  # fmt: skip
    library = books()
    library.add(kind, **odd)
    for other in KINDS:
        assert not any(one.id == "odd" for one in referrers(library, other, "e1"))
        assert all(doc["id"] != "odd" for _, doc, _ in released(other, "e1", library))
