"""What of the definitions an account is told unasked: at login and over its socket. Pure.

Contract access.md §6. Beside the limits on categories and groups, properties that only editors of a kind need
are left out for the others: headers and bodies of web hooks, privileges of roles, all but the names of API
keys.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from conductor.access.account import Account
from shared.schema.api_keys import without_keys

Json = dict[str, Any]

KINDS = (
    "alerts",
    "api_keys",
    "buckets",
    "categories",
    "channels",
    "events",
    "groups",
    "monitors",
    "plugins",
    "roles",
    "secrets",
    "tags",
    "web_hooks",
)
"""Every kind that a browser keeps a list of."""

LIMITED = frozenset(("categories", "events", "groups"))
"""Kinds of which a limited account sees some items only."""

_SEES: Mapping[str, Callable[[Account, Mapping[str, Any]], bool]] = {
    "events": Account.sees_event,
    "categories": lambda account, doc: account.sees_category(doc["id"]),
    "groups": lambda account, doc: account.sees_groups((doc["id"],)),
}
_OUTLINE = ("id", "title", "enabled", "icon", "modified", "revision")
_VALUES = ("fields", "data", "encrypted_data", "iv", "auth_tag", "salt")


def sees(account: Account, kind: str, doc: Mapping[str, Any]) -> bool:
    """Whether the account may know of the item."""
    rule = _SEES.get(kind)
    return rule is None or rule(account, doc)


def shown(account: Account, kind: str, doc: Json) -> Json:
    """What the account is told of an item that it may know of."""
    if kind == "api_keys":
        return without_keys(doc) if account.admin else {"id": doc["id"], "title": doc.get("title", "")}
    if kind == "secrets":
        return {key: value for key, value in doc.items() if key not in _VALUES}
    if kind in ("web_hooks", "roles") and not edits(account, kind):
        return {key: doc[key] for key in _OUTLINE if key in doc}
    return doc


def listed(account: Account, kind: str, docs: Iterable[Json]) -> list[Json]:
    """The items that the account may know of, as it is told of them."""
    return [shown(account, kind, doc) for doc in docs if sees(account, kind, doc)]


def edits(account: Account, kind: str) -> bool:
    """Whether the account may write any item of the kind."""
    return any(account.may(f"{verb}_{kind}") for verb in ("create", "edit", "delete"))


def view(account: Account) -> tuple[object, ...]:
    """Two accounts with the same view are told the same: what one was sent may be sent to the other."""
    return (
        account.admin,
        account.categories,
        account.groups,
        edits(account, "web_hooks"),
        edits(account, "roles"),
    )
