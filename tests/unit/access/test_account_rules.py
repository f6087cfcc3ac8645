"""Which properties of an account who may set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conductor.access.account_rules import EDITABLE, MAX_BYTES, administered, completed, editable, unlocked
from conductor.errors import BadParameter

PROTECTED = (
    "username", "password", "salt", "active", "created", "modified", "privileges", "roles", "categories", "groups",
    "force_password_reset", "force_password_change", "fl_date_code", "fl_count", "fp_date_code", "fp_count",
    "remote", "avatar", "locked_by_failures", "old_password", "new_password",
)  # fmt: skip

words = st.text(max_size=10)
values = st.one_of(
    st.none(), st.booleans(), st.integers(), words, st.lists(words), st.dictionaries(words, words)
)


@pytest.mark.parametrize("key", PROTECTED)
def test_self_service_cannot_lift_its_own_limits(key: str) -> None:
    """Hole: `update` let a limited user overwrite categories, groups, active and more."""
    assert editable({key: ["anything"], "language": "de"}) == {"language": "de"}


@given(st.dictionaries(st.one_of(st.sampled_from([*PROTECTED, *EDITABLE]), st.text()), values))
def test_nothing_but_the_allow_list_comes_through(fields: dict[str, Any]) -> None:
    try:
        kept = editable(fields)
    except BadParameter:
        return
    assert kept.keys() <= EDITABLE.keys()
    assert all(isinstance(value, EDITABLE[key]) for key, value in kept.items())


def test_texts_are_cleaned() -> None:
    kept = editable({"full_name": " <b>Ann</b> ", "email": "<i>a@b.c", "icon": "mdi <x>home"})
    assert kept == {"full_name": "Ann", "email": "a@b.c", "icon": "mdixhome"}


@pytest.mark.parametrize(
    "fields",
    [
        {"email": "nobody"},
        {"email": 7},
        {"searches": {}},
        {"filters": []},
        {"volume": "7"},
        {"full_name": None},
    ],
)
def test_wrong_types_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        editable(fields)
    with pytest.raises(BadParameter):
        administered(fields)


def test_an_administrator_sets_rights_in_their_stored_form() -> None:
    kept = administered(
        {
            "privileges": {"run_jobs": 1, "admin": False, "tag_jobs": "yes"},
            "roles": ["r1", "r1"],
            "active": "0",
            "password": "plain",
            "created": 5,
            "nickname": "A",
        }
    )
    assert kept == {
        "privileges": {"run_jobs": True, "tag_jobs": True},
        "roles": ["r1"],
        "active": 0,
        "nickname": "A",
    }


@pytest.mark.parametrize("fields", [{"privileges": []}, {"roles": "r1"}, {"groups": [7]}, {"categories": {}}])
def test_malformed_rights_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadParameter):
        administered(fields)


@pytest.mark.parametrize(("enabled", "categories"), [(True, []), (False, ["a"])])
def test_only_an_enabled_role_makes_an_administrator(enabled: bool, categories: list[str]) -> None:
    """Hole: the account manager counted disabled roles when it asked who is an administrator."""
    role = {"id": "r", "enabled": enabled, "privileges": {"admin": True}}
    user = {"username": "ann", "roles": ["r"], "categories": ["a"], "groups": ["a"]}
    assert completed(user, [role])["categories"] == categories


def test_a_record_has_a_largest_size() -> None:
    with pytest.raises(BadParameter, match="larger"):
        completed({"username": "ann", "searches": ["x" * MAX_BYTES]}, ())


def test_unlocking_forgets_every_counter() -> None:
    locked = {
        "username": "a",
        "force_password_reset": 1,
        "fl_count": 9,
        "fp_count": 1,
        "locked_by_failures": True,
    }
    assert unlocked(locked) == {"username": "a"}
