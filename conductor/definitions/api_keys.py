"""API keys (contract api/api_keys.yaml, structures/api_key.yaml). Administrators only.

Of ours: `allow_ips`, `max_per_day`, and `previous_keys`, plain keys that a rotation has replaced and that are good
for a while.
"""

import ipaddress
from collections.abc import Mapping
from typing import Any

from conductor.definitions.grants import normalised
from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_strings, check_types, require_text, shown
from conductor.errors import BadParameter
from shared.ids import api_key
from shared.schema.api_keys import hashed, mask, previous

_TYPES = {
    "description": "string",
    "privileges": "object",
    "expires": "number",
    "max_per_sec": "number",
    "max_per_day": "number",
}
_LISTS = ("roles", "categories", "groups")
_MOST_PREVIOUS = 5
"""Earlier plain keys of one key that are good at a time; the oldest go first."""


def rotated(stored: Json, plain_key: str, until: int, now: int) -> Json:
    """The changes that make `plain_key` the key; the present one stays good `until` then (Unix seconds)."""
    kept = [one for one in previous(stored) if one["expires"] > now]
    present = {"key": stored.get("key", ""), "mask": stored.get("mask", ""), "expires": until}
    return {
        "key": hashed(plain_key, stored["id"]),
        "mask": mask(plain_key),
        "previous_keys": [*kept, *([present] if until > now else [])][-_MOST_PREVIOUS:],
    }


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
    check_strings(doc, *_LISTS, "allow_ips")
    for entry in doc.get("allow_ips") or ():
        try:
            ipaddress.ip_network(entry, strict=False)
        except ValueError:
            raise BadParameter(f"Malformed parameter: allow_ips ({shown(entry)} is no address)") from None


API_KEYS = Kind(
    plural="api_keys",
    singular="api_key",
    prefix="k",
    code="api_key",
    newest_first=True,
    generated_id=True,
    state_under="api_keys",
    never_stored=frozenset(("previous_keys",)),
    fixed=frozenset(("key", "mask")),
    prepare=_prepare,
    revise=_revise,
)
