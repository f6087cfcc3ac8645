"""The activity row of each signal. Contract platform.md §8."""

from typing import Any

import msgspec
import pytest

from conductor.audit.rows import row
from conductor.signals import (
    Actor,
    DefinitionChanged,
    JobAborted,
    JobDeleted,
    JobFinished,
    LeadershipChanged,
    Notice,
    ServerAdded,
    ServerRemoved,
    Signal,
    UserLoggedIn,
)

ANN = Actor(kind="user", id="ann.o", ips=("10.0.0.1", "::1"), useragent="curl/8")
SERVER = {"id": "s1", "hostname": "web1", "ip": "10.0.0.5", "groups": ["main"]}


def made(signal: Signal) -> dict[str, Any]:
    one = row(signal, id="a1", epoch=5)
    assert one is not None
    assert (one["id"], one["epoch"]) == ("a1", 5)
    return one


def changed(kind: str, verb: str = "create", **item: Any) -> DefinitionChanged:
    return DefinitionChanged(kind=kind, verb=verb, item=item, updated=("sort_order",), actor=ANN)


@pytest.mark.parametrize(
    ("kind", "verb", "action", "noun"),
    [
        ("categories", "create", "category_create", "category"),
        ("events", "update", "event_update", "event"),
        ("groups", "delete", "group_delete", "group"),
        ("plugins", "create", "plugin_create", "plugin"),
        ("api_keys", "delete", "apikey_delete", "api_key"),
        ("web_hooks", "create", "web_hook_create", "web_hook"),
        ("tags", "update", "tag_update", "tag"),
    ],
)
def test_definitions(kind: str, verb: str, action: str, noun: str) -> None:
    one = made(changed(kind, verb, id="x1", title="The X"))
    assert (one["action"], one["description"]) == (action, "The X")
    assert one[noun] == {"id": "x1", "title": "The X"}
    assert one["username"] == "ann.o"
    assert one["keywords"] == ["x1", "ann_o", "10.0.0.1", "::1"]
    assert one["headers"] == {"user-agent": "curl/8"}
    assert (one["ip"], one["ips"]) == ("10.0.0.1", ["10.0.0.1", "::1"])


def test_reordering_names_properties_alone() -> None:
    one = made(changed("categories", "multi_update"))
    assert one["action"] == "category_multi_update"
    assert one["updated"] == ["sort_order"]
    assert one["description"] == ""
    assert "category" not in one


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("api_keys", {"id": "k1", "key": "TOPSECRET"}),
        ("users", {"username": "bob", "password": "TOPSECRET", "salt": "TOPSECRET"}),
        ("secrets", {"id": "z1", "data": "TOPSECRET"}),
    ],
)
def test_secrets_are_not_kept(kind: str, item: dict[str, Any]) -> None:
    assert b"TOPSECRET" not in msgspec.json.encode(made(changed(kind, **item)))
    assert "TOPSECRET" in str(item)  # the signal's own item is left as it was


@pytest.mark.parametrize(
    ("signal", "expected"),
    [
        (UserLoggedIn(username="ann"), {"action": "user_login", "user": {"username": "ann"}}),
        (
            JobAborted(job_id="j1", reason="enough"),
            {"action": "job_abort", "reason": "enough", "keywords": ["j1"]},
        ),
        (JobDeleted(job_id="j1"), {"action": "job_delete", "description": "j1"}),
        (ServerAdded(server=SERVER), {"action": "server_add", "server_id": "s1", "keywords": ["s1", "web1"]}),
        (ServerRemoved(server=SERVER), {"action": "server_remove", "hostname": "web1", "groups": ["main"]}),
        (
            Notice(level="warning", description="Hm", details="much", server=SERVER),
            {"action": "warning", "description": "Hm", "details": "much", "server": "s1"},
        ),
        (LeadershipChanged(host="one", primary=True, epoch=3), {"action": "master_primary", "host": "one"}),
    ],
)
def test_other_signals(signal: Signal, expected: dict[str, Any]) -> None:
    assert made(signal).items() >= expected.items()


def test_what_is_not_logged() -> None:
    assert row(JobFinished(job_id="j", event_id="e", code=0, elapsed=1.0), id="a1", epoch=5) is None
    assert row(LeadershipChanged(host="one", primary=False, epoch=3), id="a1", epoch=5) is None


def test_the_house_has_no_username() -> None:
    assert "username" not in made(JobDeleted(job_id="j1"))
