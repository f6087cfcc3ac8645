"""Reading properties and elements (contract §5): own keys, list indexes and `length`; never an attribute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from .errors import ExpressionError
from .limits import Allowance
from .values import UNDEFINED, is_array, to_text

_INDEX: Final = re.compile("0|[1-9][0-9]{0,9}")


def own(value: Any, key: str) -> Any:
    """The property `key` of a value itself; undefined where it has none."""
    if isinstance(value, (dict, Mapping)):
        return value.get(key, UNDEFINED)
    if isinstance(value, str) or is_array(value):
        if key == "length":
            return len(value)
        if _INDEX.fullmatch(key):
            index = int(key)
            return value[index] if index < len(value) else UNDEFINED
    return UNDEFINED


def member(value: Any, name: str) -> Any:
    """`value.name`: undefined of nothing is undefined, an array lends its first element."""
    if type(value) is dict:
        return value.get(name, UNDEFINED)
    if value is None or value is UNDEFINED:
        return UNDEFINED
    if is_array(value):
        first = value[0] if value else UNDEFINED
        if first is None or first is UNDEFINED:
            raise ExpressionError(f"Cannot read '{name}': the array has no first element")
        return own(first, name)
    return own(value, name)


def element(value: Any, key: Any, allowance: Allowance) -> Any:
    """`value[key]` with a key that is already evaluated; a boolean keeps or drops the whole value."""
    if key is True:
        return value
    if key is False:
        return UNDEFINED
    if value is None or value is UNDEFINED:
        raise ExpressionError(f"Cannot read an element of {to_text(value, allowance)}")
    if type(key) is int and type(value) is list:
        return value[key] if 0 <= key < len(value) else UNDEFINED
    return own(value, to_text(key, allowance))
