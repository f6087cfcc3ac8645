"""Categories of events (contract api/categories.yaml, structures/category.yaml)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.actions import check_actions
from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.limits import check_limits
from conductor.definitions.text import check_flags, check_types, require_text, shown
from conductor.definitions.workflow_graph import data_of, nodes_of
from conductor.errors import AccessDenied, BadParameter, Refusal

COLORS = frozenset(
    [
        *("", "plain", "red", "fire", "orange", "tangerine", "amber", "gold", "yellow", "lemon", "lime"),
        *("grass", "green", "mint", "emerald", "aqua", "teal", "turquoise", "cyan", "ice", "skyblue"),
        *("azure", "blue", "sapphire", "indigo", "lavender", "violet", "orchid", "purple", "magenta"),
        *("fuchsia", "hotpink", "pink", "blush", "rose"),
    ]
)
"""The palette of the browser; empty is its default."""

_TYPES = {"color": "string", "sort_order": "number"}


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    for key in ("limits", "actions"):
        if doc.get(key) is None:
            doc[key] = []
    _check(doc, {}, context)
    try:
        context.by.require_category(doc["id"])
    except AccessDenied:
        raise AccessDenied(
            "Your account is limited to some categories: it can create only one whose ID it has been given, "
            f"and {doc['id']} is none of them."
        ) from None
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    for key in ("limits", "actions"):
        if key in changes and changes[key] is None:
            changes[key] = []
    _check(changes, stored, context)


def _check(doc: Json, stored: Json, context: Context) -> None:
    check_types(doc, _TYPES)
    check_flags(doc, "enabled")
    color = doc.get("color")
    if color is not None and color not in COLORS and color != stored.get("color"):
        raise BadParameter(f"Malformed parameter: color (unknown: {shown(color)})")
    if "limits" in doc:
        check_limits(doc["limits"])
    if "actions" in doc:
        check_actions(doc["actions"], context.library)


def _authorise(doc: Json, context: Context) -> None:
    context.by.require_category(doc["id"])


def _authorise_all(context: Context) -> None:
    context.by.require_category("*")


def _guard_delete(doc: Json, context: Context) -> None:
    for event in context.library.all("events"):
        if event.get("category") == doc["id"]:
            raise Refusal("category", f"Category {doc['id']} still has events assigned to it.")
        for node in nodes_of(event.get("workflow")):
            if node.get("type") == "job" and data_of(node).get("category") == doc["id"]:
                raise Refusal("category", f"Category {doc['id']} is used by jobs of workflow {event['id']}.")


CATEGORIES = Kind(
    plural="categories",
    singular="category",
    prefix="ca",
    code="category",
    privilege="categories",
    sort_ordered=True,
    locks_on_delete=("events", "secrets"),
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
    authorise_all=_authorise_all,
    guard_delete=_guard_delete,
)
