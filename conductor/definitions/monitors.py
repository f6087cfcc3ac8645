"""Monitors: one number of each server's minute sample (contract api/monitors.yaml, structures/monitor.yaml)."""

import re
from collections.abc import Mapping
from typing import Any

from conductor.definitions.compiled import check_regex, check_source, hints_of
from conductor.definitions.json_values import Json, is_number, truthy
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import (
    check_flags,
    check_strings,
    check_types,
    require,
    require_text,
    shown,
)
from conductor.definitions.unlimited import refuse_group_limited
from conductor.errors import BadParameter, Refusal

DATA_TYPES = ("integer", "float", "bytes", "seconds", "milliseconds")

_DATA_TYPE = re.compile("|".join(DATA_TYPES))
_TYPES = {
    "data_match": "string",
    "suffix": "string",
    "min_vert_scale": "number",
    "multiply": "number",
    "divide": "number",
    "sort_order": "number",
}
_FLAGS = ("display", "delta", "divide_by_delta")


def _prepare(doc: Json, context: Context) -> Mapping[str, Any]:
    require_text(doc, "title")
    require_text(doc, "source")
    require(doc, "data_type", _DATA_TYPE)
    _check(doc)
    return hints_of(doc["source"])


def _revise(stored: Json, changes: Json, context: Context) -> None:
    for key in ("title", "source"):
        if key in changes:
            require_text(changes, key)
    if "data_type" in changes and changes["data_type"] not in DATA_TYPES:
        raise Refusal("monitor", f"Invalid data_type: {shown(changes['data_type'])}")
    _check(changes)


def _check(doc: Json) -> None:
    check_types(doc, _TYPES)
    check_flags(doc, *_FLAGS)
    check_strings(doc, "groups")
    least = doc.get("delta_min_value")
    if least is not None and least is not False and not is_number(least):
        raise BadParameter("Malformed parameter type: delta_min_value (number or false)")
    if "source" in doc:
        check_source(doc["source"], "monitor", "source")
    if truthy(doc.get("data_match")):
        check_regex(doc["data_match"], "monitor", "data_match")


def _authorise(doc: Json, context: Context) -> None:
    refuse_group_limited(context.by, "monitors")


def _authorise_all(context: Context) -> None:
    refuse_group_limited(context.by, "monitors")


MONITORS = Kind(
    plural="monitors",
    singular="monitor",
    prefix="m",
    code="monitor",
    privilege="monitors",
    sort_ordered=True,
    prepare=_prepare,
    revise=_revise,
    authorise=_authorise,
    authorise_all=_authorise_all,
)
