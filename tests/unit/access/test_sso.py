"""Identities out of trusted headers."""

from typing import Any

import pytest

from conductor.access.sso import Identity, applied, identity, mapped_headers, provisioned
from conductor.errors import Refusal
from conductor.settings_sections import SsoSettings

HEADERS = {
    "x-forwarded-user": "Ann.Lee@Example.com",
    "x-forwarded-email": "ann@example.com",
    "x-forwarded-groups": "ops, dev,,",
}


def sso(**properties: Any) -> SsoSettings:
    return SsoSettings(enabled=True, **properties)


@pytest.mark.parametrize(
    ("properties", "username", "full_name"),
    [
        ({"cleanup_username": True, "cleanup_full_name": True}, "ann.lee", "Ann Lee"),
        ({}, "ann.lee_example.com", "Ann.Lee@Example.com"),
    ],
)
def test_names_are_made_fit(properties: dict[str, Any], username: str, full_name: str) -> None:
    who = identity(HEADERS, sso(**properties))
    assert who is not None
    assert (who.username, who.full_name, who.email) == (username, full_name, "ann@example.com")
    assert who.groups == ("ops", "dev")


def test_without_the_headers_there_is_nobody() -> None:
    assert identity({"x-forwarded-groups": "ops"}, sso()) is None


@pytest.mark.parametrize("missing", ["x-forwarded-user", "x-forwarded-email"])
def test_half_an_identity_is_refused(missing: str) -> None:
    with pytest.raises(Refusal, match="no username or no e-mail"):
        identity({**HEADERS, missing: ""}, sso())


def test_an_absent_full_name_is_the_username() -> None:
    names = {"username": "x-user", "full_name": "x-name", "email": "x-email"}
    who = identity({"x-user": "ann", "x-email": "a@b.c"}, sso(header_map=names))
    assert who is not None
    assert who.full_name == "ann"


ANN = Identity(username="ann", full_name="Ann", email="a@b.c", groups=("ops",))
MAPS: dict[str, Any] = {"group_role_map": {"ops": ["r1", "r2"]}, "group_privilege_map": {"ops": "run_jobs"}}


@pytest.mark.parametrize(
    ("replace", "roles", "privileges"),
    [
        (False, ["own", "r1", "r2"], {"edit_events": True, "run_jobs": True}),
        (True, ["r1", "r2"], {"run_jobs": True}),
    ],
)
def test_groups_give_roles_and_privileges(
    replace: bool, roles: list[str], privileges: dict[str, Any]
) -> None:
    user = {"username": "ann", "roles": ["own"], "privileges": {"edit_events": True}, "email": "old@b.c"}
    made = applied(user, ANN, sso(replace_roles=replace, replace_privileges=replace, **MAPS))
    assert (made["roles"], made["privileges"], made["email"]) == (roles, privileges, "old@b.c")
    assert user["roles"] == ["own"]


def test_a_new_account_is_synchronised_and_has_no_password() -> None:
    made = provisioned(ANN, sso(), {"run_jobs": True, "admin": False})
    assert made["privileges"] == {"run_jobs": True}
    assert (made["password"], made["remote"], made["sync"]) == ("", True, True)
    again = applied(made, Identity(username="ann", full_name="Ann L.", email="n@b.c"), sso())
    assert (again["full_name"], again["email"]) == ("Ann L.", "n@b.c")


@pytest.mark.parametrize(
    "properties", [{"admin_bootstrap": "ann"}, {"group_privilege_map": {"ops": ["run_jobs", "admin"]}}]
)
def test_an_administrator_has_that_privilege_alone(properties: dict[str, Any]) -> None:
    assert applied({"privileges": {"run_jobs": True}}, ANN, sso(**properties))["privileges"] == {"admin": 1}


CAPABILITIES = '{"xyops.io/cap/ts":[{"privileges":["run_jobs"],"roles":["r1"],"groups":["ops"]}]}'


def test_tailscale() -> None:
    headers = {
        "tailscale-user-login": "ann@example.com",
        "tailscale-user-name": "Ann Lee",
        "tailscale-user-profile-pic": "https://example.com/a.png",
        "tailscale-app-capabilities": CAPABILITIES,
    }
    settings = sso(preset="tailscale", cleanup_username=True)
    who = identity(headers, settings)
    assert who is not None
    assert (who.username, who.roles, who.privileges, who.groups) == ("ann", ("r1",), {"run_jobs"}, ("ops",))
    assert mapped_headers(settings) >= headers.keys()
    with pytest.raises(Refusal, match="capabilities"):
        identity({**headers, "tailscale-app-capabilities": "{"}, settings)
