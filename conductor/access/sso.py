"""Single sign-on by trusted headers: from what a proxy says to an account. Contract access.md §9. Pure.

Whether the proxy may be believed is decided before (api/sso.py).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from conductor.access.account_rules import EMAIL
from conductor.access.privileges import ADMIN, granted
from conductor.errors import Refusal
from conductor.settings_sections import SsoSettings

Json = dict[str, Any]

_DOMAIN = re.compile(r"@.*$", re.DOTALL)
_ILLEGAL = re.compile(r"[^\w\-.]", re.ASCII)
_TAG = re.compile(r"<[^<>]*>")
_EMAIL = re.compile(EMAIL)
_TAILSCALE: Mapping[str, str] = {
    "username": "tailscale-user-login",
    "full_name": "tailscale-user-name",
    "email": "tailscale-user-login",
    "avatar": "tailscale-user-profile-pic",
}
_CAPABILITIES = "tailscale-app-capabilities"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is by his provider; `privileges` and `roles` are what the provider grants directly."""

    username: str
    full_name: str
    email: str
    groups: tuple[str, ...] = ()
    avatar: str = ""
    privileges: frozenset[str] = field(default_factory=frozenset)
    roles: tuple[str, ...] = ()


def mapped_headers(sso: SsoSettings) -> frozenset[str]:
    """The headers (lower case) that say who somebody is: a client's own copies of them are worth nothing."""
    names = {name.lower() for name in header_map(sso).values()}
    return frozenset(names | {_CAPABILITIES} if sso.preset == "tailscale" else names)


def header_map(sso: SsoSettings) -> Mapping[str, str]:
    return _TAILSCALE if sso.preset == "tailscale" else sso.header_map


def logout_url(sso: SsoSettings) -> str:
    if sso.enabled and not sso.logout_url and sso.preset == "tailscale":
        return "/api/app/sso_logout"
    return sso.logout_url if sso.enabled else ""


def identity(headers: Mapping[str, str], sso: SsoSettings) -> Identity | None:
    """The identity in the headers (lower-case names); None without one. Raises Refusal `sso` for half of one."""
    said = {key: headers.get(name.lower(), "").strip() for key, name in header_map(sso).items()}
    if not said.get("username") and not said.get("email"):
        return None
    username = _username(said.get("username", ""), sso)
    email = _TAG.sub("", said.get("email", "")).strip()
    if not username or not email:
        raise Refusal("sso", "The identity provider named no username or no e-mail address.")
    if not _EMAIL.match(email):
        raise Refusal("sso", "The identity provider named a malformed e-mail address.")
    groups = tuple(
        group
        for part in said.get("groups", "").split(sso.group_role_separator or ",")
        if (group := part.strip())
    )
    privileges: frozenset[str] = frozenset()
    roles: tuple[str, ...] = ()
    if sso.preset == "tailscale":
        groups, privileges, roles = _capabilities(headers.get(_CAPABILITIES, ""), sso.ts_cap_id)
    return Identity(
        username=username,
        full_name=_full_name(said.get("full_name", ""), sso) or username,
        email=email,
        groups=groups,
        avatar=said.get("avatar", ""),
        privileges=privileges,
        roles=roles,
    )


def provisioned(who: Identity, sso: SsoSettings, default_privileges: Mapping[str, Any]) -> Json:
    """The properties of a new account for `who`, besides those of every account; it has no password."""
    user: Json = {
        "username": who.username,
        "full_name": who.full_name,
        "email": who.email,
        "remote": True,
        "sync": True,
        "password": "",
        "salt": "",
        "privileges": dict.fromkeys(sorted(granted(dict(default_privileges))), True),
    }
    if who.avatar:
        user["avatar"] = who.avatar
    return applied(user, who, sso)


def applied(user: Json, who: Identity, sso: SsoSettings) -> Json:
    """`user` with what the provider says now: name and address where they are synchronised, roles, privileges."""
    made = dict(user)
    if made.get("sync"):
        made.update(full_name=who.full_name, email=who.email)
    roles = [*_mapped(who.groups, sso.group_role_map), *who.roles]
    privileges = {*_mapped(who.groups, sso.group_privilege_map), *who.privileges}
    kept_roles = [] if sso.replace_roles else list(made.get("roles") or ())
    kept = set() if sso.replace_privileges else granted(made.get("privileges"))
    made["roles"] = list(dict.fromkeys([*kept_roles, *roles]))
    everything = kept | privileges
    if is_bootstrapped(who, sso):
        everything |= {ADMIN}
    made["privileges"] = {ADMIN: 1} if ADMIN in everything else dict.fromkeys(sorted(everything), True)
    return made


def is_bootstrapped(who: Identity, sso: SsoSettings) -> bool:
    return bool(sso.admin_bootstrap) and who.username == sso.admin_bootstrap


def _username(said: str, sso: SsoSettings) -> str:
    if sso.cleanup_username:
        return _ILLEGAL.sub("", _DOMAIN.sub("", said)).lower()
    return _ILLEGAL.sub("_", said).lower()


def _full_name(said: str, sso: SsoSettings) -> str:
    name = _TAG.sub("", said)
    if sso.cleanup_full_name:
        name = _DOMAIN.sub("", name).replace(".", " ").title()
    return name.strip()


def _mapped(groups: Iterable[str], table: Mapping[str, str | list[str]]) -> list[str]:
    found = (table[group] for group in groups if group in table)
    return [one for entry in found for one in ([entry] if isinstance(entry, str) else entry)]


def _capabilities(text: str, capability: str) -> tuple[tuple[str, ...], frozenset[str], tuple[str, ...]]:
    """Groups, privileges and roles that the network grants. Raises Refusal `sso` for what cannot be read."""
    if not text:
        return (), frozenset(), ()
    try:
        grants = msgspec.json.decode(text, type=dict[str, list[dict[str, Any]]]).get(capability, [])
    except msgspec.MsgspecError:
        raise Refusal("sso", "The capabilities of this device cannot be read.") from None

    def named(key: str) -> list[str]:
        lists = (grant.get(key) for grant in grants)
        return [one for entry in lists if isinstance(entry, list) for one in entry if isinstance(one, str)]

    return tuple(named("groups")), frozenset(named("privileges")), tuple(named("roles"))
