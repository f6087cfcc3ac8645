"""Whatever a client sends is stored or refused in words: no other exception leaves the rules."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conductor.definitions import drafts
from conductor.definitions.json_values import Json, copied
from conductor.definitions.kinds import KINDS
from conductor.errors import Refusal
from tests.unit.definitions.samples import ADMIN, EVENT, NOW, WORKFLOW, Books, Caller, context

WORDS = [
    "id", "title", "type", "enabled", "params", "fields", "triggers", "limits", "actions", "workflow",
    "nodes", "connections", "data", "tools", "value", "workflow", "schedule", "magic", "job", "event",
    "plugin", "queue", "toolset", "text", "main", "general", "shellplug", "sched", "e1", "important",
    "hours", "amount", "condition", "error", "email", "users", "start", "end", "epoch", "multiplex",
    "regex", "range", "1-9/1", "+1", "-2.5", "<b>", "(", "a+", "é", "\x00", "\ud800", "__proto__",
    "_xy_override_uid", "revision", "sort_order", "update_state",
]  # fmt: skip
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-3, 3),
        st.sampled_from([10**400, -(10**30)]),
        st.floats(),
        st.sampled_from(WORDS),
        st.text(max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=3)), inner, max_size=4),
    ),
    max_leaves=12,
)

RICH_EVENT: Json = {
    **EVENT,
    "expression": "info.os == 1",
    "tags": ["important"],
    "stagger": 1,
    "triggers": [
        {"type": "schedule", "enabled": True, "hours": [1], "timezone": "UTC", "params": {"f": 1}},
        {"type": "magic", "enabled": True, "key": "k"},
        {"type": "plugin", "enabled": True, "plugin_id": "sched", "params": {"level": 1}},
        {"type": "range", "enabled": True, "start": 1, "end": 200},
        {"type": "nth", "enabled": True, "every": 2},
    ],
    "limits": [
        {"type": "job", "enabled": True, "amount": 1},
        {"type": "file", "enabled": True, "accept": ".csv"},
    ],
    "actions": [
        {"type": "run_event", "enabled": True, "condition": "error", "event_id": "e1", "params": {"who": 1}},
        {"type": "plugin", "enabled": True, "condition": "error", "plugin_id": "act", "params": {"level": 2}},
        {"type": "email", "enabled": True, "condition": "error", "users": ["a"]},
    ],
    "fields": [
        {"id": "f", "title": "F", "type": "text", "regex": "^.", "range": "0-9/1"},
        {"id": "t", "title": "T", "type": "toolset", "data": {"tools": [
            {"id": "a", "title": "A", "fields": [{"id": "z", "title": "Z", "type": "text", "value": ""}]}
        ]}},
    ],
    "update_state": {"cursor": 1},
    "revision": 1,
}  # fmt: skip
SAMPLES: dict[str, list[Json]] = {
    "events": [RICH_EVENT, WORKFLOW],
    "categories": [
        {"title": "A", "limits": RICH_EVENT["limits"], "actions": RICH_EVENT["actions"], "sort_order": 1}
    ],
    "groups": [
        {"title": "A", "hostname_match": "a", "alert_actions": RICH_EVENT["actions"], "sort_order": 1}
    ],
    "plugins": [{"title": "A", "type": "event", "command": "x", "params": RICH_EVENT["fields"], "uid": 1}],
    "api_keys": [{"title": "A", "privileges": {"admin": True}, "roles": [], "expires": 5, "active": 1}],
    "tags": [{"title": "A", "icon": "x", "notes": "<b>"}],
    "alerts": [
        {"title": "A", "expression": "a > 1", "message": "<b>{{ a < 1 }}", "groups": ["main"], "samples": 2,
         "actions": RICH_EVENT["actions"], "monitor_id": "m", "flap_limit": 3, "repeat_minutes": 5,
         "escalations": [{"after": 5, "actions": RICH_EVENT["actions"]}]}
    ],
    "buckets": [{"title": "A", "enabled": True, "data": {"a": 1}, "files": []}],
    "channels": [
        {"title": "A", "users": ["a"], "email": "a@b, c@d", "web_hook": "example_hook", "run_event": "e1",
         "sound": "x.mp3", "max_per_day": 1}
    ],
    "monitors": [
        {"title": "A", "source": "a.b", "data_type": "float", "data_match": "(1)", "groups": ["main"],
         "delta": True, "delta_min_value": 0, "min_vert_scale": 1}
    ],
    "roles": [{"title": "A", "privileges": {"admin": 1}, "categories": ["x"], "groups": ["y"]}],
    "secrets": [
        {"title": "A", "fields": [{"name": "N", "value": "v"}], "events": ["e1"], "categories": ["general"],
         "plugins": ["plain"], "web_hooks": ["example_hook"]}
    ],
    "maintenance_windows": [
        {"title": "A", "start": 1, "end": 2, "servers": ["s1"], "groups": ["main"], "alerts": ["a1"]},
    ],
    "web_hooks": [
        {"title": "A", "url": "https://x/{{ a }}", "method": "POST", "headers": [{"name": "X", "value": "{{ b }}"}],
         "body": "{{ text }}", "timeout": 5, "retries": 1, "max_per_day": 1}
    ],
}  # fmt: skip


@st.composite
def _damaged(draw: st.DrawFn, sample: Json) -> Json:
    """A good document with something else in one or two places."""
    doc = copied(sample)
    for _ in range(draw(st.integers(1, 2))):
        place: Any = doc
        while True:
            if not place:
                break
            key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
            if isinstance(place[key], (dict, list)) and draw(st.booleans()):
                place = place[key]
                continue
            place[key] = draw(VALUES)
            break
    return doc


@pytest.mark.parametrize("kind", sorted(KINDS))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_create_and_update(kind: str, data: st.DataObject) -> None:
    sample = data.draw(st.sampled_from(SAMPLES[kind]))
    request = data.draw(
        st.one_of(_damaged(sample), st.dictionaries(st.sampled_from(WORDS), VALUES, max_size=6), VALUES)
    )
    by = data.draw(st.sampled_from([ADMIN, Caller(), Caller(categories=["x"], groups=["y"])]))
    with suppress(Refusal):
        draft = drafts.new(KINDS[kind], request, context(Books(), by), NOW)
        assert draft.doc["revision"] == 1
    stored = {**copied(sample), "id": "x1"}
    stored.pop("update_state", None)
    with suppress(Refusal):
        draft = drafts.change(KINDS[kind], stored, request, context(Books(), by), NOW)
        assert draft.doc["id"] == "x1"
        assert msgspec.json.encode(sample)  # the sample itself was not changed into something else


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_an_update_of_any_imported_record(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(KINDS)))
    stored = data.draw(_damaged({**data.draw(st.sampled_from(SAMPLES[kind])), "revision": 1}))
    with suppress(Refusal):
        drafts.change(
            KINDS[kind], {**stored, "id": "x1"}, {"title": "New", "notes": ""}, context(by=Caller()), NOW
        )


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_orders(items: Any) -> None:
    with suppress(Refusal):
        drafts.orders(items)


@pytest.mark.parametrize(
    ("kind", "number"), [(kind, n) for kind in SAMPLES for n in range(len(SAMPLES[kind]))]
)
def test_the_samples_themselves_are_good(kind: str, number: int) -> None:
    assert drafts.new(KINDS[kind], SAMPLES[kind][number], context(Books(), ADMIN), NOW).doc["title"]
