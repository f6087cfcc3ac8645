"""What is stored of an API key: the hash and mask of its plain text, and of those it had before. Pure.

Contract structures/api_key.yaml; `previous_keys` is of ours.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

_SHOWN_LETTERS = 4


def hashed(plain_key: str, id: str) -> str:
    """What is stored of a plain key."""
    return hashlib.sha256(f"{plain_key}{id}".encode(errors="surrogatepass")).hexdigest()


def mask(plain_key: str) -> str:
    """What may be shown of it."""
    return f"{plain_key[:_SHOWN_LETTERS]}********{plain_key[-_SHOWN_LETTERS:]}"


def previous(stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Earlier plain keys (`key`, `mask`, `expires`), whether they are good still or not."""
    listed = stored.get("previous_keys")
    return [one for one in listed if _is_one(one)] if isinstance(listed, list) else []


def without_keys(stored: Mapping[str, Any]) -> dict[str, Any]:
    """An API key as it may be told beyond its own calls: no hash leaves."""
    told = {key: value for key, value in stored.items() if key != "previous_keys"}
    return {**told, "key": "REDACTED"}


def _is_one(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("key"), str):
        return False
    expires = entry.get("expires")
    return isinstance(expires, int | float) and not isinstance(expires, bool)
