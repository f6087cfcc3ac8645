"""Rules for the definitions of parameters: `params[]` of plugins and `fields[]` of events.

Contract api/plugins.yaml (param_validation), api/events.yaml (validation.fields), structures/param.yaml.
Every failure is a BadParameter that names the parameter, or `n/a` where it has no usable ID.
"""

import re
from collections.abc import Collection
from typing import Any

from conductor.definitions.json_values import Json, is_number, number_of, truthy
from conductor.definitions.params import OVERRIDE_PREFIX, RESERVED_OVERRIDES
from conductor.definitions.patterns import check_pattern
from conductor.definitions.text import has_markup, is_text
from conductor.errors import BadParameter
from shared.schema.reserved import RESERVED_WORDS

TYPES = frozenset(
    [
        "text",
        "textarea",
        "code",
        "json",
        "checkbox",
        "select",
        "bucket",
        "system",
        "hidden",
        "toolset",
        "group",
    ]
)
TOOL_FIELD_TYPES = frozenset(["checkbox", "code", "json", "hidden", "select", "text", "textarea"])
VARIANTS = frozenset(
    ["color", "date", "datetime-local", "email", "number", "password", "text", "time", "tel", "url"]
)
_ID = re.compile(r"[\w\-.]+", re.ASCII)
_NAMED_ID = re.compile(r"[A-Za-z_][\w\-.]*", re.ASCII)


def check_plugin_params(params: Any) -> None:
    """`params` of a plugin: an array of named, titled definitions with unique IDs."""
    if not isinstance(params, list):
        raise BadParameter("Malformed plugin parameter: params (must be array)")
    _check_list(params, "Malformed plugin parameter", _NAMED_ID, titled=True, strict_values=True, taken=())


def check_event_fields(fields: Any, taken: Collection[str]) -> None:
    """`fields` of an event; `taken` are the locked params of its plugin."""
    if not isinstance(fields, list):
        raise BadParameter("Malformed event parameter: fields (must be array)")
    _check_list(fields, "Malformed event field", _ID, titled=False, strict_values=False, taken=taken)


def _check_list(
    items: list[Any],
    what: str,
    ids: re.Pattern[str],
    *,
    titled: bool,
    strict_values: bool,
    taken: Collection[str],
) -> None:
    siblings: set[str] = set()
    for item in items:
        prefix = f"{what}: {_name(item)}"
        if not isinstance(item, dict):
            raise BadParameter(f"{prefix}: Not an object")
        id = _check_id(item.get("id"), prefix, ids)
        if id in siblings:
            raise BadParameter(f"{prefix}: Duplicate ID")
        if id in taken:
            raise BadParameter(f"{prefix}: ID is a locked parameter of the Plugin")
        siblings.add(id)
        _check_control(item, prefix, TYPES, titled=titled)
    for item in items:
        if item["type"] == "toolset":
            _check_tools(item, f"{what}: {item['id']}: Toolset data", siblings, strict_values)


def _name(item: Any) -> str:
    id = item.get("id") if isinstance(item, dict) else None
    return id if isinstance(id, str) and _ID.fullmatch(id) else "n/a"


def _check_id(id: Any, prefix: str, ids: re.Pattern[str]) -> str:
    if not isinstance(id, str):
        raise BadParameter(f"{prefix}: ID is not a string")
    if id in RESERVED_OVERRIDES:
        raise BadParameter(f"{prefix}: Invalid parameter ID: {id} (reserved)")
    if id in RESERVED_WORDS or id.removeprefix(OVERRIDE_PREFIX) in RESERVED_WORDS:
        raise BadParameter(f"{prefix}: ID is a reserved word")
    if not ids.fullmatch(id):
        raise BadParameter(f"{prefix}: ID contains illegal characters")
    return id


def _check_control(item: Json, prefix: str, types: Collection[str], *, titled: bool) -> None:
    type_, title, caption = item.get("type"), item.get("title"), item.get("caption")
    if not isinstance(type_, str) or type_ not in types:
        raise BadParameter(f"{prefix}: Invalid type")
    if has_markup(title) or (title is not None and not isinstance(title, str)):
        raise BadParameter(f"{prefix}: Invalid title")
    if titled and not is_text(title):
        raise BadParameter(f"{prefix}: Missing title")
    if has_markup(caption) or (caption is not None and not isinstance(caption, str)):
        raise BadParameter(f"{prefix}: Invalid caption")
    variant, regex = item.get("variant"), item.get("regex")
    if type_ == "text" and truthy(variant) and not (isinstance(variant, str) and variant in VARIANTS):
        raise BadParameter(f"{prefix}: Invalid variant")
    if truthy(regex):
        _check_regex(regex, prefix)
    if truthy(item.get("range")) and not isinstance(item["range"], str):
        raise BadParameter(f"{prefix}: Invalid range")


def _check_regex(regex: Any, prefix: str) -> None:
    if not isinstance(regex, str):
        raise BadParameter(f"{prefix}: Invalid regular expression")
    try:
        check_pattern(regex)
    except BadParameter as error:
        raise BadParameter(f"{prefix}: {error.description}") from None


def _check_tools(toolset: Json, prefix: str, siblings: Collection[str], strict_values: bool) -> None:
    data = toolset.get("data")
    tools = data.get("tools") if isinstance(data, dict) else None
    if not isinstance(tools, list) or not tools:
        raise BadParameter(f"{prefix}: tools must be a non-empty array")
    seen: set[str] = set()
    for tool in tools:
        place = f"{prefix}: {_name(tool)}"
        if not isinstance(tool, dict):
            raise BadParameter(f"{place}: Not an object")
        id = _check_id(tool.get("id"), place, _NAMED_ID)
        if id in seen:
            raise BadParameter(f"{place}: Duplicate ID")
        seen.add(id)
        if not is_text(tool.get("title")):
            raise BadParameter(f"{place}: Invalid title")
        description = tool.get("description")
        if description is not None and (not isinstance(description, str) or has_markup(description)):
            raise BadParameter(f"{place}: Invalid description")
        fields = tool.get("fields")
        if fields is not None and not isinstance(fields, list):
            raise BadParameter(f"{place}: fields must be an array")
        _check_tool_fields(fields or [], place, siblings, strict_values)


def _check_tool_fields(
    fields: list[Any], prefix: str, siblings: Collection[str], strict_values: bool
) -> None:
    seen: set[str] = set()
    for item in fields:
        place = f"{prefix}: {_name(item)}"
        if not isinstance(item, dict):
            raise BadParameter(f"{place}: Not an object")
        id = _check_id(item.get("id"), place, _ID)
        if id in siblings:  # the toolset's own ID is one of them
            raise BadParameter(f"{place}: ID is already used by a parameter")
        if id in seen:
            raise BadParameter(f"{place}: Duplicate ID")
        seen.add(id)
        _check_control(item, place, TOOL_FIELD_TYPES, titled=True)
        if strict_values and not _fits(item):
            raise BadParameter(f"{place}: Invalid value")


def _fits(item: Json) -> bool:
    """Whether a tool field has a default of its type."""
    if "value" not in item:
        return False
    value, type_ = item["value"], item["type"]
    if type_ == "checkbox":
        return isinstance(value, bool)
    if type_ == "json":
        return value is None or isinstance(value, (dict, list))
    if type_ == "text" and item.get("variant") == "number":
        return value is None or is_number(value) or value == "" or number_of(value) is not None
    return isinstance(value, str)
