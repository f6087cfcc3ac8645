"""Alert definitions (contract api/alerts.yaml, structures/alert.yaml, alerts.md §1)."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.actions import MOST_MINUTES, check_actions, check_escalations
from conductor.definitions.compiled import check_source, check_template, hints_of
from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, check_strings, check_types, check_whole, require_text
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import AccessDenied

_TEXTS = ("title", "expression", "message")
_TYPES = {
    "monitor_id": "string",
    "email": "string",
    "web_hook": "string",
    # Of ours: actions rest until then; how grave it is.
    "snooze_until": "number",
    "severity": "string",
}
_FLAGS = ("enabled", "exclusive_actions", "limit_jobs", "abort_jobs", "consecutive")
_LISTS = ("groups", "actions")


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    for key in _TEXTS:
        require_text(doc, key)
    # Without these two an alert would never fire, and nobody would be told.
    if doc.get("enabled") is None:
        doc["enabled"] = True
    if doc.get("samples") is None:
        doc["samples"] = 1
    for key in _LISTS:
        if doc.get(key) is None:
            doc[key] = []
    _check(doc, context)
    return hints_of(doc["expression"])


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key in _TEXTS:
        if key in changes:
            require_text(changes, key)
    for key in _LISTS:
        if key in changes and changes[key] is None:
            changes[key] = []
    if "samples" in changes and changes["samples"] is None:
        changes["samples"] = 1
    _check(changes, context)


def _check(doc: Json, context: Context) -> None:
    check_types(doc, _TYPES)
    check_flags(doc, *_FLAGS)
    check_strings(doc, "groups")
    check_whole(doc, "samples", 1)
    check_whole(doc, "clear_samples", 1)
    check_whole(doc, "flap_limit", 0)
    check_whole(doc, "flap_minutes", 1, MOST_MINUTES)
    check_whole(doc, "repeat_minutes", 0, MOST_MINUTES)
    check_escalations(doc.get("escalations"), context.library)
    if "actions" in doc:
        check_actions(doc["actions"], context.library)
    if "expression" in doc:
        check_source(doc["expression"], "alert", "expression")
    if "message" in doc:
        check_template(doc["message"], "alert", "message")


def _authorise(doc: Json, context: Context) -> None:
    """A caller with group limits manages alerts that are kept to groups of theirs, and no others."""
    groups = doc.get("groups")
    if isinstance(groups, list) and groups and all(isinstance(group, str) for group in groups):
        try:
            for group in groups:
                context.by.require_group(group)
        except AccessDenied:
            pass
        else:
            return
    refuse_group_limited(context.by, "alerts")


ALERTS = Kind(
    plural="alerts",
    singular="alert",
    prefix="a",
    code="alert",
    privilege="alerts",
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
)
