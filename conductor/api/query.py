"""Query strings and URL-encoded forms into plain parameters. Contract api/README.md §2."""

from typing import Any
from urllib.parse import unquote_plus

from conductor.api.client import readable
from conductor.errors import BadParameter

_MOST_FIELDS = 1_000


def parse(text: str) -> dict[str, Any]:
    """Fields by name as strings; a repeated one becomes a list. Undecodable bytes are replaced."""
    fields: dict[str, Any] = {}
    parts = text.split("&")
    if len(parts) > _MOST_FIELDS:
        raise BadParameter(f"Too many parameters (at most {_MOST_FIELDS})")
    for part in parts:
        if not part:
            continue
        key, _, value = part.partition("=")
        if "%" in part or "+" in part:
            key, value = unquote_plus(key, errors="replace"), unquote_plus(value, errors="replace")
        if not part.isascii():
            key, value = readable(key), readable(value)
        add(fields, key, value)
    return fields


def add(fields: dict[str, Any], key: str, value: str) -> None:
    """Set a field, or make it a list when it is there already."""
    if key not in fields:
        fields[key] = value
    elif isinstance(fields[key], list):
        fields[key].append(value)
    else:
        fields[key] = [fields[key], value]
