"""Privileges and limits. Contract access.md §4, §6; api/README.md §7."""

from collections.abc import Callable
from typing import Any

import pytest

from conductor.access.account import NOBODY, Account
from conductor.access.privileges import TITLES
from conductor.access.rights import effective
from conductor.access.sessions import expiry
from conductor.access.users import normalised, public, stub
from conductor.errors import AccessDenied


def account(privileges: str = "", categories: str = "", groups: str = "") -> Account:
    return Account(
        kind="user",
        name="ann",
        title="ann",
        privileges=frozenset(privileges.split()),
        categories=frozenset(categories.split()),
        groups=frozenset(groups.split()),
    )


def test_there_are_47_privileges() -> None:
    assert len(TITLES) == 47
    assert TITLES["create_web_hooks"] == "Create Web Hooks"
    assert TITLES["tag_jobs"] == "Job Tags"


def test_admin_implies_everything() -> None:
    assert account("admin").may("delete_events")
    account("admin").require_admin()
    with pytest.raises(AccessDenied, match='You do not have the "Delete Events" privilege'):
        account("edit_events").require("delete_events")


@pytest.mark.parametrize(
    ("categories", "groups", "event", "seen"),
    [
        ("", "", {"category": "a", "targets": ["x"]}, True),
        ("a", "", {"category": "a", "targets": ["x"]}, True),
        ("a", "", {"category": "b", "targets": ["x"]}, False),
        ("", "main", {"category": "a", "targets": ["main", "s1"]}, True),
        ("", "main", {"category": "a", "targets": ["s1"]}, False),
        ("", "main", {"category": "a", "targets": []}, True),
        ("", "main", {"category": "a", "targets": ["s1"], "type": "workflow"}, True),
        ("b", "main", {"category": "a", "targets": [], "type": "workflow"}, False),
        ("a", "main", {"category": "a", "targets": "main"}, False),
        ("a", "", {}, False),
    ],
)
def test_events(categories: str, groups: str, event: dict[str, Any], seen: bool) -> None:
    caller = account("", categories, groups)
    assert caller.sees_event(event) is seen
    if seen:
        caller.require_event(event)
    elif isinstance(event.get("targets"), list):
        with pytest.raises(AccessDenied):
            caller.require_event(event)


def test_items_without_groups_are_hidden_from_limited_callers() -> None:
    assert account().sees_groups([])
    assert not account(groups="main").sees_groups([])
    assert account(groups="main").sees_groups(["x", "main"])


@pytest.mark.parametrize(
    ("check", "named"),
    [
        (lambda one: one.require_category("secret"), "category ID secret"),
        (lambda one: one.require_group("*"), r"group ID \*"),
        (lambda one: one.require_groups(["x", "y"]), "group ID x, y"),
        (lambda one: one.require_targets(["s1", "s2"]), "targets: s1, s2"),
    ],
)
def test_refusals_name_what_is_out_of_reach(check: Callable[[Account], None], named: str) -> None:
    with pytest.raises(AccessDenied, match=named):
        check(account(categories="a", groups="main"))
    check(account())


def test_nobody_sees_nothing() -> None:
    assert not NOBODY.sees_category("general")
    assert not NOBODY.sees_groups(["main"])
    assert not NOBODY.admin


def test_restriction_of_a_search() -> None:
    assert account().restriction() is None
    restriction = account(categories="a b").restriction()
    assert restriction is not None
    assert restriction.categories == {"a", "b"}


ROLES = [
    {"id": "ops", "enabled": True, "privileges": {"run_jobs": 1}, "categories": ["x"], "groups": []},
    {"id": "off", "enabled": False, "privileges": {"admin": True}},
    {"id": "root", "enabled": True, "privileges": {"admin": True}},
]


def test_rights_are_own_and_those_of_enabled_roles() -> None:
    holder = {
        "privileges": {"edit_events": True, "tag_jobs": False},
        "roles": ["ops", "off"],
        "categories": ["y"],
    }
    assert effective(holder, ROLES) == ({"edit_events", "run_jobs"}, {"x", "y"}, set())
    assert effective(holder | {"roles": ["ops", "root"]}, ROLES) == (
        {"edit_events", "run_jobs", "admin"},
        set(),
        set(),
    )


@pytest.mark.parametrize(
    "holder", [{}, {"privileges": [], "roles": "ops", "categories": None, "groups": [1]}]
)
def test_malformed_rights_grant_nothing(holder: dict[str, Any]) -> None:
    assert effective(holder, ROLES) == (set(), set(), set())


@pytest.mark.parametrize(
    ("name", "key"), [("a.b", "ab"), ("John-Doe", "johndoe"), ("x_1", "x_1"), ("...", "")]
)
def test_usernames_are_normalised(name: str, key: str) -> None:
    assert normalised(name) == key


def test_secrets_of_a_user_stay() -> None:
    user = {"username": "ann", "password": "x", "salt": "y", "full_name": "Ann", "email": "a@b"}
    assert public(user) == {"username": "ann", "full_name": "Ann", "email": "a@b"}
    assert stub(user) == {"username": "ann", "full_name": "Ann", "icon": "", "roles": []}


def test_sessions_end_at_midnight() -> None:
    import time

    moment = time.time()
    end = expiry(moment, 365)
    assert moment + 363 * 86_400 < end <= moment + 365 * 86_400
    assert time.localtime(end)[3:6] == (0, 0, 0)
