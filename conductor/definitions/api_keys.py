"""API keys (contract api/api_keys.yaml, structures/api_key.yaml). Administrators only."""

import hashlib
from collections.abc import Mapping
from typing import Any

from conductor.definitions.grants import normalised
from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_strings, check_types, require_text
from shared.ids import api_key

_TYPES = {
    "description": "string",
    "privileges": "object",
    "expires": "number",
    "max_per_sec": "number",
}
_LISTS = ("roles", "categories", "groups")
_SHOWN_LETTERS = 4


def hashed(plain_key: str, id: str) -> str:
    """What is stored of a key."""
    return hashlib.sha256(f"{plain_key}{id}".encode(errors="surrogatepass")).hexdigest()


def mask(plain_key: str) -> str:
    return f"{plain_key[:_SHOWN_LETTERS]}********{plain_key[-_SHOWN_LETTERS:]}"


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    _check(doc)
    if not truthy(doc.get("active")):
        doc["active"] = 1
    if doc.get("description") is None:
        doc["description"] = ""
    doc["privileges"] = normalised(doc.get("privileges"))
    plain_key = api_key()
    doc["key"] = hashed(plain_key, doc["id"])
    doc["mask"] = mask(plain_key)
    return {"plain_key": plain_key}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    _check(changes)
    if "privileges" in changes:
        changes["privileges"] = normalised(changes["privileges"])


def _check(doc: Json) -> None:
    check_types(doc, _TYPES)
    check_strings(doc, *_LISTS)


API_KEYS = Kind(
    plural="api_keys",
    singular="api_key",
    prefix="k",
    code="api_key",
    newest_first=True,
    generated_id=True,
    state_under="api_keys",
    fixed=frozenset(("key", "mask")),
    prepare=_prepare,
    revise=_revise,
)
