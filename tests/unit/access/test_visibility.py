"""What accounts are told of definitions."""

from typing import Any

import pytest

from conductor.access.account import Account
from conductor.access.visibility import listed, shown, view


def account(*privileges: str, **limits: frozenset[str]) -> Account:
    return Account(kind="user", name="ann", title="ann", privileges=frozenset(privileges), **limits)


HOOK: dict[str, Any] = {
    "id": "w1",
    "title": "Pager",
    "enabled": True,
    "url": "https://x",
    "headers": [1],
    "body": "k",
}
KEY: dict[str, Any] = {
    "id": "k1",
    "title": "CI",
    "key": "ab" * 32,
    "mask": "abcd********wxyz",
    "privileges": {},
}
ROLE: dict[str, Any] = {"id": "r1", "title": "Ops", "enabled": True, "privileges": {"admin": True}}


@pytest.mark.parametrize(
    ("kind", "item", "privilege", "hidden"),
    [
        ("web_hooks", HOOK, "edit_web_hooks", {"url", "headers", "body"}),
        ("roles", ROLE, "edit_roles", {"privileges"}),
        ("api_keys", KEY, "admin", {"mask", "privileges", "key"}),
    ],
)
def test_only_editors_are_told_everything(
    kind: str, item: dict[str, Any], privilege: str, hidden: set[str]
) -> None:
    """Hole: the login shipped every definition whole to every user."""
    assert not hidden & shown(account("run_jobs"), kind, item).keys()
    assert shown(account(privilege), kind, item).keys() == item.keys()


def test_nobody_is_told_a_key_or_a_secret() -> None:
    assert shown(account("admin"), "api_keys", KEY)["key"] == "REDACTED"
    secret = {"id": "z1", "title": "Vault", "fields": [{"value": "x"}], "names": ["A"]}
    assert shown(account("admin"), "secrets", secret) == {"id": "z1", "title": "Vault", "names": ["A"]}


def test_lists_follow_the_limits() -> None:
    limited = account(categories=frozenset({"a"}), groups=frozenset({"g"}))
    events = [
        {"id": "e1", "category": "a", "targets": ["g"]},
        {"id": "e2", "category": "b", "targets": ["g"]},
        {"id": "e3", "category": "a", "targets": ["h"]},
        {"id": "e4", "category": "a", "type": "workflow", "targets": []},
    ]
    assert [one["id"] for one in listed(limited, "events", events)] == ["e1", "e4"]
    assert [one["id"] for one in listed(limited, "categories", [{"id": "a"}, {"id": "b"}])] == ["a"]
    assert [one["id"] for one in listed(limited, "groups", [{"id": "g"}, {"id": "h"}])] == ["g"]
    assert len(listed(limited, "tags", [{"id": "t"}])) == 1


def test_the_same_view_is_told_the_same() -> None:
    assert view(account("run_jobs")) == view(account("tag_jobs"))
    assert view(account()) != view(account("admin"))
    assert view(account()) != view(account("edit_roles"))
    assert view(account()) != view(account(groups=frozenset({"g"})))
