"""Plugins of all four types (contract api/plugins.yaml, structures/plugin.yaml)."""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json, is_number, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.param_definitions import check_plugin_params
from conductor.definitions.references import referrers
from conductor.definitions.text import check_flags, check_strings, check_types, require, require_text, shown
from conductor.errors import AccessDenied, BadParameter

_MOST_NAMED = 5
_TYPE = re.compile("event|monitor|action|scheduler")
_TYPES = {"script": "string", "cwd": "string", "marketplace": "object"}
_RUN_AS = ("uid", "gid")
_RUNS = frozenset(("command", "script", "shell", "cwd", *_RUN_AS))
"""What runs, and as whom."""
_DECISIVE = (*sorted(_RUNS), "type", "params", "enabled")
_ONE_OF = {"kill": ("", "none", "parent", "all"), "format": ("", "text", "json", "xml", "prometheus")}
_IN_HOUSE = ("action", "scheduler")
"""Types that run on the conductor's own host."""


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    for key in ("title", "type", "command"):
        require_text(doc, key)
    if doc.get("enabled") is None:
        doc["enabled"] = True
    _check(doc)
    if truthy(doc.get("marketplace")):
        _drop_run_as(doc)
    _require_rights({}, doc, context)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key in ("title", "type", "command"):
        if key in changes:
            require_text(changes, key)
    _check(changes)
    if truthy(stored.get("marketplace")) or truthy(changes.get("marketplace")):
        _drop_run_as(changes)
    _require_rights(stored, changes, context)
    if changes.get("type", stored.get("type")) != stored.get("type"):
        _require_unused(stored, context)


def _require_rights(stored: Json, changes: Json, context: Context) -> None:
    """Only administrators decide what runs on the conductor, and what runs as another user.

    Anything else would make a privilege to edit plugins one to be root. A browser that sends back what is
    stored changes nothing.
    """
    if context.by.admin:
        return
    merged = {**stored, **changes}
    changed = [key for key in _DECISIVE if key in changes and changes[key] != stored.get(key, "")]
    if changed and (merged.get("type") in _IN_HOUSE or stored.get("type") in _IN_HOUSE):
        raise AccessDenied("Only administrators can change action and scheduler plugins.")
    if not _RUNS.isdisjoint(changed) and any(merged.get(key) not in (None, "") for key in _RUN_AS):
        raise AccessDenied("Only administrators can change plugins that run as another user (uid, gid).")


def _require_unused(stored: Json, context: Context) -> None:
    users = [one for one in referrers(context.library, "plugins", stored["id"]) if one.kind != "secrets"]
    if users:
        names = ", ".join(sorted({one.id for one in users})[:_MOST_NAMED])
        raise BadParameter(f"Malformed parameter: type (the plugin is in use by {names})")


def _check(doc: Json) -> None:
    if "type" in doc:
        require(doc, "type", _TYPE)
    check_types(doc, _TYPES)
    check_flags(doc, "enabled", "runner", "quick", "stock", "shell")
    check_strings(doc, "groups")
    for key, values in _ONE_OF.items():
        if doc.get(key) is not None and doc[key] not in values:
            raise BadParameter(f"Malformed parameter: {key} (unknown: {shown(doc[key])})")
    timeout = doc.get("timeout")
    if truthy(timeout) and not is_number(timeout):
        raise BadParameter("Malformed parameter type: timeout (number)")
    for key in _RUN_AS:
        if isinstance(doc.get(key), (list, dict, bool)):
            raise BadParameter(f"Malformed parameter type: {key} (string or number)")
    if doc.get("params") is not None:
        check_plugin_params(doc["params"])


def _drop_run_as(doc: Json) -> None:
    """What comes from a marketplace never chooses its own user."""
    for key in _RUN_AS:
        doc.pop(key, None)


PLUGINS = Kind(
    plural="plugins",
    singular="plugin",
    prefix="p",
    code="plugin",
    unknown_code="api",
    privilege="plugins",
    locks_on_delete=("secrets",),
    prepare=_prepare,
    revise=_revise,
)
