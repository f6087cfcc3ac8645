"""Which items a list call asks for: loose equality of top-level properties (api/README.md §10.2)."""

from collections.abc import Mapping
from typing import Any


def matches_criteria(doc: Mapping[str, Any], criteria: Mapping[str, Any]) -> bool:
    """Whether every criterion equals the document's property of that name."""
    return all(loosely_equal(doc.get(key), wanted) for key, wanted in criteria.items())


def loosely_equal(stored: Any, wanted: Any) -> bool:
    """`1`, `"1"` and `true` are equal, `"true"` and `true` are not; an array is its items, comma-joined."""
    if stored is None or wanted is None:
        return stored is None and wanted is None
    stored, wanted = _primitive(stored), _primitive(wanted)
    if isinstance(stored, str) and isinstance(wanted, str):
        return stored == wanted
    left, right = _number(stored), _number(wanted)
    return left is not None and left == right


def _primitive(value: Any) -> str | float | int | bool:
    if isinstance(value, list | tuple):
        return ",".join("" if item is None else _text(_primitive(item)) for item in value)
    if isinstance(value, dict):
        return "[object Object]"  # what clients of a JavaScript server get: equal to nothing they send
    return value  # type: ignore[no-any-return]


def _text(value: str | float | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _number(value: str | float | int | bool) -> float | int | None:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return 0
    try:
        return float(text)
    except ValueError:
        return None
