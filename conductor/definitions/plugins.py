"""Plugins of all four types (contract api/plugins.yaml, structures/plugin.yaml)."""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.param_definitions import check_plugin_params
from conductor.definitions.text import check_types, require, require_text
from conductor.errors import BadParameter

_TYPE = re.compile("event|monitor|action|scheduler")
_TYPES = {"script": "string", "cwd": "string", "groups": "array", "marketplace": "object"}
_RUN_AS = ("uid", "gid")


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    for key in ("title", "type", "command"):
        require_text(doc, key)
    if doc.get("enabled") is None:
        doc["enabled"] = True
    _check(doc)
    if truthy(doc.get("marketplace")):
        _drop_run_as(doc)
    return {}


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key in ("title", "type", "command"):
        if key in changes:
            require_text(changes, key)
    _check(changes)
    if truthy(stored.get("marketplace")) or truthy(changes.get("marketplace")):
        _drop_run_as(changes)


def _check(doc: Json) -> None:
    if "type" in doc:
        require(doc, "type", _TYPE)
    check_types(doc, _TYPES)
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
    prepare=_prepare,
    revise=_revise,
)
