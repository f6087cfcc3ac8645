"""Maintenance windows: a time in which alerts of some servers, and jobs of some events, tell nobody (docs/alerts.md).

Of ours. Who made one, and when, is what every definition keeps; `notes` say why.
"""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_flags, check_strings, check_whole, require_text
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import BadParameter

SCOPES = ("servers", "groups", "alerts", "events")
_LATEST = 2**40


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    if doc.get("enabled") is None:
        doc["enabled"] = True
    _complete(doc)
    for key in ("start", "end"):
        if doc.get(key) is None:
            raise BadParameter(f"Missing parameter: {key}")
    _check(doc)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    if "title" in changes:
        require_text(changes, "title")
    for key in SCOPES:
        if key in changes and changes[key] is None:
            changes[key] = []
    _check({**stored, **changes})


def _complete(doc: Json) -> None:
    for key in SCOPES:
        if doc.get(key) is None:
            doc[key] = []


def _check(doc: Json) -> None:
    check_flags(doc, "enabled", "everywhere")
    check_strings(doc, *SCOPES)
    for key in ("start", "end"):
        if doc.get(key) is None:
            raise BadParameter(f"Malformed parameter: {key} (must be Unix seconds)")
        check_whole(doc, key, 0, _LATEST)
    if doc["end"] <= doc["start"]:
        raise BadParameter("Malformed parameter: end (must be after start)")
    if not doc.get("everywhere") and not any(doc.get(key) for key in SCOPES):
        # A list that was forgotten must not mute the whole fleet.
        raise BadParameter("Missing parameter: servers, groups, alerts, events, or everywhere")


def _authorise(doc: Json, context: Context) -> None:
    refuse_group_limited(context.by, "alerts")


MAINTENANCE_WINDOWS = Kind(
    plural="maintenance_windows",
    singular="maintenance_window",
    prefix="mw",
    code="maintenance",
    privilege="alerts",
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
)
