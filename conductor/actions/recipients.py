"""Whom an action writes to. Documents may hold anything: a list, names with commas, nothing. Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.actions.ports import Addresses


def listed(value: Any) -> list[str]:
    """The non-empty strings of a list, or of a text with commas, each once."""
    parts = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else ()
    return list(dict.fromkeys(word for one in parts if isinstance(one, str) and (word := one.strip())))


def addresses(holder: Mapping[str, Any], users: Addresses | None) -> list[str]:
    """The mail addresses of a document's `users` and `email`, each once; users without one are left out."""
    names = listed(holder.get("users"))
    found = users.emails_of(names) if users and names else []
    return list(dict.fromkeys((*found, *listed(holder.get("email")))))
