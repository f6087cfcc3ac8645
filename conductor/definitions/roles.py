"""Roles: bundles of privileges and limits for users and API keys (contract api/roles.yaml, structures/role.yaml).

A role is a way to more rights for whoever may edit it: nobody can grant through one what they do not hold, and
nobody who is limited can take a limit out of one.
"""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.grants import normalised, require_held
from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, check_strings, require_text
from conductor.definitions.writer import Writer

_LIMITS = ("categories", "groups")


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    check_flags(doc, "enabled")
    for key in _LIMITS:
        if doc.get(key) is None:
            doc[key] = []
    check_strings(doc, *_LIMITS)
    doc["privileges"] = normalised(doc.get("privileges"))
    require_held(doc["privileges"], context.by)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    check_flags(changes, "enabled")
    for key in _LIMITS:
        if key in changes and changes[key] is None:
            changes[key] = []
    check_strings(changes, *_LIMITS)
    if "privileges" in changes:
        changes["privileges"] = normalised(changes["privileges"])
    require_held(_added(stored, changes), context.by)
    if any(key in changes and changes[key] != stored.get(key) for key in (*_LIMITS, "enabled")):
        _require_unlimited(context.by)


def _added(stored: Json, changes: Json) -> Json:
    """What the role grants after the change and did not grant before."""
    merged = {**stored, **changes}
    held = stored.get("privileges")
    before = held if truthy(stored.get("enabled")) and isinstance(held, dict) else {}
    granted = merged.get("privileges")
    if not truthy(merged.get("enabled")) and "privileges" not in changes:
        return {}
    return {id: value for id, value in (granted or {}).items() if value and not before.get(id)}


def _require_unlimited(by: Writer) -> None:
    by.require_category("*")
    by.require_group("*")


def _authorise_delete(doc: Json, context: Context) -> None:
    if any(doc.get(key) for key in _LIMITS):
        _require_unlimited(context.by)


ROLES = Kind(
    plural="roles",
    singular="role",
    prefix="r",
    code="role",
    privilege="roles",
    locks_on_delete=("api_keys",),
    prepare=_prepare,
    revise=_revise,
    authorise_delete=_authorise_delete,
)
