"""The language's value model: undefined, truthiness, and the coercion to text (contract §1).

Numbers are IEEE doubles. Whole ones up to 2^53 are held as `int`, so that they leave the language as JSON
integers; `settle` keeps every computed number in that form. Integers of the context beyond 2^53 stay exact
until something is computed from them.
"""

from __future__ import annotations

import math
from typing import Any, Final

from .errors import ExpressionError
from .limits import MAX_DATA_DEPTH, Allowance


class Undefined:
    """The type of `UNDEFINED`, which a missing variable, property or element gives. It is not None (null)."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "undefined"

    def __reduce__(self) -> str:
        return "UNDEFINED"  # copies and unpickled values are the one instance again


UNDEFINED: Final = Undefined()

Number = int | float

NUMBERS: Final = frozenset((int, float))
"""The exact types of a number; `bool` is not one."""

MAX_SAFE: Final = 2**53
NAN: Final = math.nan
INFINITY: Final = math.inf


def truthy(value: Any) -> bool:
    """False for undefined, null, false, 0, NaN and the empty string; true for everything else, also `[]`."""
    if value is True:
        return True
    if not value:
        return isinstance(value, (list, tuple, dict))
    return value == value if type(value) is float else True


def is_array(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def is_composite(value: Any) -> bool:
    """True for what the language calls an array or an object, compared by identity."""
    return not (value is None or value is UNDEFINED or isinstance(value, (str, int, float)))


def settle(number: Number) -> Number:
    """The canonical form of a computed number: `int` where it is whole and safe, else a double (also -0)."""
    if isinstance(number, int):
        return number if -MAX_SAFE <= number <= MAX_SAFE else double(number)
    if number.is_integer() and -MAX_SAFE <= number <= MAX_SAFE:
        if number == 0.0 and math.copysign(1.0, number) < 0:
            return number
        return int(number)
    return number


def double(number: Number) -> float:
    """The nearest double; an integer beyond the largest one is ±Infinity."""
    try:
        return float(number)
    except OverflowError:
        return INFINITY if number > 0 else -INFINITY


def to_text(value: Any, allowance: Allowance) -> str:
    """Coercion to string; ExpressionError only for an array that is nested too deep or too large."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, (int, float)):
        return number_to_text(value)
    if is_array(value):
        return _array_to_text(value, allowance, 1)
    return "[object Object]"


def _array_to_text(items: Any, allowance: Allowance, depth: int) -> str:
    if depth > MAX_DATA_DEPTH:
        raise ExpressionError("Value is nested too deep")
    allowance.spend(len(items) + 1)
    texts: list[str] = []
    for item in items:
        if item is None or item is UNDEFINED:
            texts.append("")
        elif is_array(item):
            texts.append(_array_to_text(item, allowance, depth + 1))
        else:
            text = to_text(item, allowance)
            allowance.spend_text(len(text))
            texts.append(text)
    return ",".join(texts)


def number_to_text(number: Number) -> str:
    """Shortest digits that round-trip; whole numbers below 1e21 in full, never a trailing `.0`."""
    if isinstance(number, int):
        if -MAX_SAFE <= number <= MAX_SAFE:
            return str(int(number))
        if -(10**21) < number < 10**21:
            return str(number)
        number = double(number)
    if number != number:
        return "NaN"
    if number in (INFINITY, -INFINITY):
        return "Infinity" if number > 0 else "-Infinity"
    if number == 0:
        return "0"
    shortest = repr(float(number))
    if "e" not in shortest:
        return shortest.removesuffix(".0")
    return _with_exponent(shortest)


def _with_exponent(shortest: str) -> str:
    """Python writes exponents from 1e16 and below 1e-4; the language only from 1e21 and below 1e-6."""
    sign = "-" if shortest[0] == "-" else ""
    mantissa, _, exponent_text = shortest.lstrip("-").partition("e")
    digits = mantissa.replace(".", "")
    if mantissa.endswith(".0"):
        digits = digits[:-1]
    exponent = int(exponent_text)
    if 0 <= exponent < 21:
        return sign + digits.ljust(exponent + 1, "0")
    if -7 < exponent < 0:
        return f"{sign}0.{'0' * (-exponent - 1)}{digits}"
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{fraction}e{'+' if exponent > 0 else '-'}{abs(exponent)}"
