"""How JSON values behave for the clients' language: truthiness, type names, text form, numbers.

Clients were written against rules such as "any truthy value" or "its text must match", so these rules
decide what is accepted. Everything here is total: any decoded JSON value is fine as an argument.
"""

import math
import re
from typing import Any, TypeGuard

Json = dict[str, Any]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_LONGEST_NUMBER = 64
_DEEPEST_TEXT = 8


def is_number(value: Any) -> TypeGuard[int | float]:
    """A finite JSON number; booleans are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and is_finite(value)


def is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def whole(value: Any) -> int | None:
    """The integer that a JSON number stands for (5, 5.0), else None."""
    if not is_number(value):
        return None
    return int(value) if value == int(value) else None


def truthy(value: Any) -> bool:
    """Empty arrays and objects are true; null, false, 0, NaN and empty text are not."""
    if isinstance(value, (list, dict)):
        return True
    return bool(value) and value == value


def type_name(value: Any) -> str:
    """`object`, `string`, `number` or `boolean`; arrays and null count as object."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (int, float)):
        return "number"
    return "object"


def text_of(value: Any, depth: int = 0) -> str:
    """The text form: true, null, 1.5, items joined by commas; objects have one fixed text.

    Arrays nested deeper than anybody means count as empty.
    """
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and is_finite(value) and value == int(value):
        return str(int(value))
    if isinstance(value, list):
        if depth > _DEEPEST_TEXT:
            return ""
        return ",".join("" if item is None else text_of(item, depth + 1) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    return str(value)


def number_of(value: Any) -> float | None:
    """The number that a value or its text stands for, else None."""
    if is_number(value):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def copied(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) for item in value]
    return value
