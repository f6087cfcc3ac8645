"""What a caller sees of each kind of definition. Contract api/README.md §7.2, access.md §6."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from conductor.access.account import Account
from conductor.definitions.repository import Definitions
from conductor.definitions.secrets import ASSIGNED_TO

Json = dict[str, Any]

REDACTED = "REDACTED"
_EDITED = ("roles", "web_hooks")
"""Kinds that whoever may write any of them sees whole."""
_ORIGIN = re.compile(r"(https?://)(?:[^/@\s]*@)?([^/?#\s{]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Visibility:
    """Who sees what of a kind. `require` raises AccessDenied, naming what is in the way."""

    sees: Callable[[Account, Json], bool]
    require: Callable[[Account, Json], None]


OPEN = Visibility(lambda account, doc: True, lambda account, doc: None)
_VISIBILITY: Mapping[str, Visibility] = {
    "events": Visibility(Account.sees_event, Account.require_event),
    "categories": Visibility(
        lambda account, doc: account.sees_category(doc["id"]),
        lambda account, doc: account.require_category(doc["id"]),
    ),
    "groups": Visibility(
        lambda account, doc: account.sees_groups((doc["id"],)),
        lambda account, doc: account.require_group(doc["id"]),
    ),
}


def of_kind(kind: str) -> Visibility:
    return _VISIBILITY.get(kind, OPEN)


def visible(definitions: Definitions, kind: str, account: Account) -> Sequence[Json]:
    """The definitions of a kind that the caller may see, in storage order, as the caller may see them."""
    docs = definitions.all(kind)
    if account.limited and kind in _VISIBILITY:
        sees = _VISIBILITY[kind].sees
        docs = [doc for doc in docs if sees(account, doc)]
    return docs if sees_whole(kind, account) else [shown(definitions, kind, doc, account) for doc in docs]


def sees_whole(kind: str, account: Account) -> bool:
    """Whether the caller sees documents of this kind as they are stored."""
    if kind not in _SHOWN or account.admin:
        return True
    return kind in _EDITED and any(account.may(f"{verb}_{kind}") for verb in ("create", "edit", "delete"))


def shown(definitions: Definitions, kind: str, doc: Json, account: Account) -> Json:
    """`doc` as the caller may see it; every property keeps its type."""
    return doc if sees_whole(kind, account) else _SHOWN[kind](definitions, doc, account)


def _secret(definitions: Definitions, doc: Json, account: Account) -> Json:
    """Notes are for administrators; assignments are told as far as the caller sees what they name."""
    assigned = {}
    for kind in ASSIGNED_TO:
        sees, listed = of_kind(kind).sees, []
        for id in doc.get(kind) or ():
            named = definitions.get(kind, id)
            if named is not None and sees(account, named):
                listed.append(id)
        assigned[kind] = listed
    return {**doc, **assigned, "notes": ""}


def _role(definitions: Definitions, doc: Json, account: Account) -> Json:
    """What a role grants is for those who manage roles."""
    return {**doc, "privileges": {}, "categories": [], "groups": [], "notes": ""}


def _api_key(definitions: Definitions, doc: Json, account: Account) -> Json:
    """That a key exists; nothing that helps to guess it, nor what it may do."""
    kept = ("id", "title", "active", "username", "created", "modified", "revision")
    return {**{key: doc[key] for key in kept if key in doc}, "key": REDACTED, "mask": REDACTED}


def _web_hook(definitions: Definitions, doc: Json, account: Account) -> Json:
    """Where a hook leads, without what lets others in there: its path, headers and body hold tokens."""
    origin = _ORIGIN.match(str(doc.get("url") or ""))
    given = doc.get("headers")
    headers = [
        {**header, "value": REDACTED} if isinstance(header, dict) else header
        for header in (given if isinstance(given, list) else ())
    ]
    return {
        **doc,
        "url": f"{origin[1]}{origin[2]}/{REDACTED}" if origin else REDACTED,
        "headers": headers,
        "body": "",
    }


_SHOWN: Mapping[str, Callable[[Definitions, Json, Account], Json]] = {
    "api_keys": _api_key,
    "roles": _role,
    "secrets": _secret,
    "web_hooks": _web_hook,
}
