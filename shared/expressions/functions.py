"""The functions of contract §6. Each takes its evaluated arguments and the allowance; a missing argument is
undefined, extra ones are ignored."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from . import formats, paths
from .errors import ExpressionError
from .json_text import to_json
from .limits import Allowance
from .numerals import floor_decimals, parse_decimal, parse_integer, to_number
from .operators import identical
from .patterns import search
from .values import INFINITY, NAN, NUMBERS, UNDEFINED, Number, double, is_array, settle, to_text, truthy

Function = Callable[[Sequence[Any], Allowance], Any]


def _argument(arguments: Sequence[Any], index: int) -> Any:
    return arguments[index] if index < len(arguments) else UNDEFINED


def _least(numbers: Sequence[Number]) -> Number:
    return NAN if any(number != number for number in numbers) else min(numbers, default=INFINITY)


def _greatest(numbers: Sequence[Number]) -> Number:
    return NAN if any(number != number for number in numbers) else max(numbers, default=-INFINITY)


def minimum(arguments: Sequence[Any], allowance: Allowance) -> Number:
    return settle(_least([to_number(value, allowance) for value in arguments]))


def maximum(arguments: Sequence[Any], allowance: Allowance) -> Number:
    return settle(_greatest([to_number(value, allowance) for value in arguments]))


def clamp(arguments: Sequence[Any], allowance: Allowance) -> Number:
    value, low, high = (to_number(_argument(arguments, index), allowance) for index in range(3))
    return settle(_greatest((low, _least((high, value)))))


def _whole(rounding: Callable[[float], int], value: Any, allowance: Allowance) -> Number:
    number = to_number(value, allowance)
    if not math.isfinite(double(number)):
        return number
    whole = rounding(number)
    return settle(math.copysign(0.0, number) if whole == 0 else whole)


def floor(arguments: Sequence[Any], allowance: Allowance) -> Number:
    return _whole(math.floor, _argument(arguments, 0), allowance)


def ceil(arguments: Sequence[Any], allowance: Allowance) -> Number:
    return _whole(math.ceil, _argument(arguments, 0), allowance)


def _half_up(number: float) -> int:
    below = math.floor(number)
    return below + 1 if number - below >= 0.5 else below


def round_half_up(arguments: Sequence[Any], allowance: Allowance) -> Number:
    return _whole(_half_up, _argument(arguments, 0), allowance)


def count(arguments: Sequence[Any], allowance: Allowance) -> Any:
    value = _argument(arguments, 0)
    if not truthy(value):
        return 0
    return len(value) if isinstance(value, str) or is_array(value) else UNDEFINED


def byte_size(arguments: Sequence[Any], allowance: Allowance) -> str:
    return formats.byte_size(parse_integer(_argument(arguments, 0), allowance))


def grouped_number(arguments: Sequence[Any], allowance: Allowance) -> str:
    value = _argument(arguments, 0)
    return formats.grouped(to_number(value, allowance)) if truthy(value) else "0"


def percentage(arguments: Sequence[Any], allowance: Allowance) -> str:
    whole = _argument(arguments, 1)
    return formats.percentage(
        to_number(_argument(arguments, 0), allowance),
        to_number(whole, allowance) if truthy(whole) else 100,
        floor=truthy(_argument(arguments, 2)),
    )


def integer(arguments: Sequence[Any], allowance: Allowance) -> Number:
    number = parse_integer(_argument(arguments, 0), allowance)
    return 0 if number != number else number


def decimal(arguments: Sequence[Any], allowance: Allowance) -> Number:
    number = parse_decimal(_argument(arguments, 0), allowance)
    return 0 if number != number else floor_decimals(number, 100)


def stringify(arguments: Sequence[Any], allowance: Allowance) -> Any:
    value = _argument(arguments, 0)
    return UNDEFINED if value is UNDEFINED else to_json(value, allowance)


def encode(arguments: Sequence[Any], allowance: Allowance) -> str:
    text = to_text(_argument(arguments, 0), allowance)
    allowance.spend_text(4 * len(text))
    return percent_encode(text)


def percent_encode(text: str) -> str:
    """UTF-8 percent-encoding as `encode()` does it. ExpressionError for text that has no UTF-8 form."""
    try:
        return quote(text, safe="-_.!~*'()")
    except UnicodeEncodeError:
        raise ExpressionError("Text has no UTF-8 form") from None


def find(arguments: Sequence[Any], allowance: Allowance) -> list[Any]:
    items = _argument(arguments, 0)
    if not is_array(items):
        raise ExpressionError("find() needs an array")
    key = to_text(_argument(arguments, 1), allowance)
    part = to_text(_argument(arguments, 2), allowance)
    allowance.spend(4 * len(items))
    found = []
    for item in items:
        if item is None or item is UNDEFINED:
            raise ExpressionError("find() met an element that is null")
        text = to_text(paths.own(item, key), allowance)
        allowance.spend_text(len(text))
        if part in text:
            found.append(item)
    return found


def includes(arguments: Sequence[Any], allowance: Allowance) -> bool:
    haystack, needle = _argument(arguments, 0), _argument(arguments, 1)
    if isinstance(haystack, str):
        allowance.spend_text(len(haystack))
        return to_text(needle, allowance) in haystack
    if not is_array(haystack):
        return False
    allowance.spend(len(haystack))
    if type(needle) in NUMBERS and needle != needle:
        return any(type(item) is float and item != item for item in haystack)
    return any(identical(needle, item) for item in haystack)


def match(arguments: Sequence[Any], allowance: Allowance) -> bool:
    subject, pattern = _argument(arguments, 0), _argument(arguments, 1)
    if subject is None or subject is UNDEFINED:
        return False
    if pattern is UNDEFINED:
        return True
    return search(to_text(pattern, allowance), to_text(subject, allowance), allowance) is not None


def server(arguments: Sequence[Any], allowance: Allowance) -> Any:
    value = _argument(arguments, 0)
    directory = allowance.directory
    record = None if directory is None else directory.server(to_text(value, allowance))
    return value if record is None else record.get("title") or record.get("hostname") or value


def event(arguments: Sequence[Any], allowance: Allowance) -> Any:
    directory = allowance.directory
    if directory is None:
        return UNDEFINED
    value = to_text(_argument(arguments, 0), allowance)
    record = directory.event(value)
    if record is None:
        job = directory.active_job(value)
        record = None if job is None else directory.event(str(job.get("event", "")))
    return UNDEFINED if record is None else record.get("title", UNDEFINED)


FUNCTIONS: Final[Mapping[str, Function]] = {
    "min": minimum,
    "max": maximum,
    "floor": floor,
    "ceil": ceil,
    "round": round_half_up,
    "clamp": clamp,
    "count": count,
    "bytes": byte_size,
    "number": grouped_number,
    "pct": percentage,
    "integer": integer,
    "float": decimal,
    "stringify": stringify,
    "encode": encode,
    "find": find,
    "includes": includes,
    "match": match,
    "server": server,
    "event": event,
}
