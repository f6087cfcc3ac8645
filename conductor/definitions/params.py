"""Values of parameters against their definitions (contract api/README.md §11.3, §11.4).

The same rules hold for plugin params, event fields and tool fields, when an event is saved and when it
runs. Definitions come from stored documents and may be anything (imports are not validated), so nothing
here trusts their shape.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conductor.definitions.json_values import Json, copied, number_of, text_of, truthy
from conductor.definitions.patterns import found_in
from conductor.definitions.text import shown
from conductor.errors import BadParameter

OVERRIDE_PREFIX = "_xy_override_"
RESERVED_OVERRIDES = frozenset(
    OVERRIDE_PREFIX + name
    for name in [
        "plugin",
        "params",
        "id",
        "event",
        "enabled",
        "category",
        "fields",
        "actions",
        "limits",
        "triggers",
        "workflow",
        "command",
        "script",
        "uid",
        "gid",
        "cwd",
        "env",
        "kill",
        "runner",
    ]
)
_RANGE = re.compile(r"(-?\d*\.?\d+)-(-?\d*\.?\d+)/(any|-?\d*\.?\d+)", re.ASCII)
_LONGEST_RANGE = 100
_STEP_TOLERANCE = 1e-7
_OPTION = re.compile(r".*\[([\w\-.]+)\]\s*", re.ASCII | re.DOTALL)


def refuse_reserved(params: Mapping[str, Any], prefix: str) -> None:
    """No key may override what only the conductor decides about a job."""
    for key in params:
        if key in RESERVED_OVERRIDES:
            raise BadParameter(f"{prefix}: Invalid parameter ID: {key} (reserved)")


def definitions_of(fields: Any) -> Iterator[Json]:
    """The well-formed definitions in a list of params or fields."""
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and isinstance(field.get("id"), str):
            yield field


def check_values(values: Mapping[str, Any], fields: Any, prefix: str) -> None:
    """Required, regex and range, in this order, for each definition; unknown values are ignored.

    Raises BadParameter "PREFIX: Parameter 'ID' …".
    """
    for field in definitions_of(fields):
        value = values.get(field["id"])
        text = "" if value is None else text_of(value)
        if not text:
            if truthy(field.get("required")):
                raise BadParameter(f"{prefix}: Parameter '{field['id']}' is required.")
            continue
        regex, range_ = field.get("regex"), field.get("range")
        if truthy(regex) and not (isinstance(regex, str) and found_in(text, regex)):
            raise BadParameter(f"{prefix}: Parameter '{field['id']}' value is invalid.")
        if truthy(range_) and not in_range(value, range_):
            raise BadParameter(f"{prefix}: Parameter '{field['id']}' value is invalid ({shown(range_)}).")


def in_range(value: Any, range_: Any) -> bool:
    """Whether a value lies on `MIN-MAX/STEP`; a malformed range contains nothing."""
    number = number_of(value)
    if number is None or not isinstance(range_, str) or len(range_) > _LONGEST_RANGE:
        return False
    parts = _RANGE.fullmatch("".join(range_.split()))
    if parts is None:
        return False
    low, high = float(parts[1]), float(parts[2])
    if not low <= number <= high:
        return False
    if parts[3] == "any":
        return True
    step = float(parts[3])
    if step == 0:
        return False
    steps = (number - low) / step
    return abs(steps - round(steps)) <= _STEP_TOLERANCE


def default_of(field: Mapping[str, Any]) -> Any:
    """The value that a control has before anybody touches it; None when it has none."""
    value, type_ = field.get("value"), field.get("type")
    if type_ == "select":
        first = _first_option(value)
        return [first] if truthy(field.get("multiple")) and first else first
    if type_ == "json":
        return {} if value is None else copied(value)
    if type_ == "checkbox":
        return truthy(value)
    if type_ == "toolset":
        data = field.get("data")
        return data.get("default") if isinstance(data, dict) else None
    return copied(value)


def _first_option(value: Any) -> str:
    """The ID of the first option of `A, B [b], …`."""
    first = text_of(value).split(",", 1)[0].strip() if value is not None else ""
    labelled = _OPTION.fullmatch(first)
    return labelled[1] if labelled else first


def complete_params(given: Mapping[str, Any], stored: Mapping[str, Any], fields: Any) -> Json:
    """A launch's parameters: what was given, else what the event holds, else the fields' defaults."""
    complete = {**stored, **given}
    for field in definitions_of(fields):
        if field["id"] not in complete and field.get("type") != "group":
            value = default_of(field)
            if value is not None:
                complete[field["id"]] = value
    return complete


def locked_ids(fields: Any) -> Iterable[tuple[str, Json]]:
    """Each locked ID with its definition; locking a toolset locks the fields of its tools too."""
    for field in definitions_of(fields):
        if not truthy(field.get("locked")):
            continue
        yield field["id"], field
        data = field.get("data")
        tools = data.get("tools") if field.get("type") == "toolset" and isinstance(data, dict) else None
        for tool in tools if isinstance(tools, list) else ():
            for inner in definitions_of(tool.get("fields") if isinstance(tool, dict) else None):
                yield inner["id"], inner
