"""JSON of the language's values (contract §1): undefined members dropped, undefined elements and NaN null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from json.encoder import encode_basestring
from typing import Any

from .errors import ExpressionError
from .limits import MAX_DATA_DEPTH, Allowance
from .values import UNDEFINED, is_array, number_to_text, settle


def to_json(value: Any, allowance: Allowance) -> str:
    """Compact JSON text, keys in their order; `null` for undefined. ExpressionError when nested too deep."""
    pieces: list[str] = []
    _write(value, pieces, allowance, 0)
    return "".join(pieces)


def _write(value: Any, pieces: list[str], allowance: Allowance, depth: int) -> None:
    if isinstance(value, str):
        allowance.spend_text(len(value))
        pieces.append(encode_basestring(value))
    elif value is True:
        pieces.append("true")
    elif value is False:
        pieces.append("false")
    elif isinstance(value, (int, float)):
        pieces.append(number_to_text(value) if isinstance(value, int) or math.isfinite(value) else "null")
    elif isinstance(value, (dict, Mapping)):
        _open(len(value), allowance, depth)
        separator = "{"
        for key, item in value.items():
            if item is not UNDEFINED:
                name = str(key)
                allowance.spend_text(len(name))
                pieces.append(f"{separator}{encode_basestring(name)}:")
                separator = ","
                _write(item, pieces, allowance, depth + 1)
        pieces.append("{}" if separator == "{" else "}")
    elif is_array(value):
        _open(len(value), allowance, depth)
        pieces.append("[")
        for index, item in enumerate(value):
            if index:
                pieces.append(",")
            _write(item, pieces, allowance, depth + 1)
        pieces.append("]")
    else:
        pieces.append("null")


def json_ready(value: Any) -> Any:
    """A result as plain JSON data, built anew: undefined and NaN are None or gone, whole numbers are `int`.

    ExpressionError for a value that is nested too deep or too large.
    """
    return _plain(value, Allowance(), 0)


def _plain(value: Any, allowance: Allowance, depth: int) -> Any:
    if isinstance(value, float):
        return settle(value) or 0 if math.isfinite(value) else None
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, (dict, Mapping)):
        _open(len(value), allowance, depth)
        return {
            str(key): _plain(item, allowance, depth + 1)
            for key, item in value.items()
            if item is not UNDEFINED
        }
    if is_array(value):
        _open(len(value), allowance, depth)
        return [_plain(item, allowance, depth + 1) for item in value]
    return None


def _open(length: int, allowance: Allowance, depth: int) -> None:
    if depth >= MAX_DATA_DEPTH:
        raise ExpressionError("Value is nested too deep")
    allowance.spend(length + 1)
