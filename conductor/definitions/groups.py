"""Server groups (contract api/groups.yaml, structures/group.yaml)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.actions import check_actions
from conductor.definitions.json_values import Json, is_number
from conductor.definitions.kind import Context, Kind
from conductor.definitions.patterns import check_pattern, found_in
from conductor.definitions.text import check_types, require_text
from conductor.errors import BadParameter, Refusal

_TYPES = {"max_jobs_per_server": "number", "sort_order": "number"}


def matches(group: Json, hostname: str) -> bool:
    """Whether a server of this name belongs to the group by itself; a bad stored pattern matches nothing."""
    pattern = group.get("hostname_match")
    return isinstance(pattern, str) and found_in(hostname, pattern)


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    require_text(doc, "hostname_match")
    if doc.get("alert_actions") is None:
        doc["alert_actions"] = []
    _check(doc, context)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    if "hostname_match" in changes:
        require_text(changes, "hostname_match")
    if "alert_actions" in changes and changes["alert_actions"] is None:
        changes["alert_actions"] = []
    _check(changes, context)


def _check(doc: Json, context: Context) -> None:
    check_types(doc, _TYPES)
    if is_number(doc.get("max_jobs_per_server")) and doc["max_jobs_per_server"] < 0:
        raise BadParameter("Malformed parameter: max_jobs_per_server (must not be negative)")
    if "hostname_match" in doc:
        try:
            check_pattern(doc["hostname_match"])
        except BadParameter as error:
            raise Refusal("group", f"Invalid hostname match: {error.description}") from None
    if "alert_actions" in doc:
        check_actions(doc["alert_actions"], context.library, "alert_actions")


def _authorise(doc: Json, context: Context) -> None:
    context.by.require_group(doc["id"])


def _authorise_all(context: Context) -> None:
    context.by.require_group("*")


GROUPS = Kind(
    plural="groups",
    singular="group",
    prefix="g",
    code="group",
    privilege="groups",
    sort_ordered=True,
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
    authorise_all=_authorise_all,
)
