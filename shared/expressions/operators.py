"""The binary operators (contract §4). Each takes both values and the allowance, and never mutates a value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from .limits import Allowance
from .numerals import to_number
from .values import INFINITY, NAN, NUMBERS, UNDEFINED, Number, double, is_array, is_composite, settle, to_text

Operator = Callable[[Any, Any, Allowance], Any]


def add(left: Any, right: Any, allowance: Allowance) -> Any:
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return settle(to_number(left, allowance) + to_number(right, allowance))
    if isinstance(left, str) or isinstance(right, str) or is_composite(left) or is_composite(right):
        head, tail = to_text(left, allowance), to_text(right, allowance)
        allowance.spend_text(len(head) + len(tail))
        return head + tail
    return settle(to_number(left, allowance) + to_number(right, allowance))


def subtract(left: Any, right: Any, allowance: Allowance) -> Number:
    return settle(to_number(left, allowance) - to_number(right, allowance))


def multiply(left: Any, right: Any, allowance: Allowance) -> Number:
    a, b = to_number(left, allowance), to_number(right, allowance)
    product = a * b
    if product == 0 and type(product) is int and (a < 0 or b < 0):
        return -0.0  # integers have no negative zero, doubles do
    return settle(product)


def _quotient(left: Any, right: Any, allowance: Allowance) -> float:
    dividend, divisor = to_number(left, allowance), to_number(right, allowance)
    if divisor == 0:
        if dividend == 0 or dividend != dividend:
            return NAN
        return math.copysign(INFINITY, math.copysign(1.0, double(divisor)) * (1 if dividend > 0 else -1))
    try:
        return dividend / divisor
    except OverflowError:
        return INFINITY if (dividend > 0) == (divisor > 0) else -INFINITY


def divide(left: Any, right: Any, allowance: Allowance) -> Number:
    return settle(_quotient(left, right, allowance))


def floor_divide(left: Any, right: Any, allowance: Allowance) -> Number:
    quotient = _quotient(left, right, allowance)
    return settle(math.floor(quotient)) if math.isfinite(quotient) else quotient


def remainder(left: Any, right: Any, allowance: Allowance) -> Number:
    dividend, divisor = double(to_number(left, allowance)), double(to_number(right, allowance))
    if divisor == 0 or math.isinf(dividend):
        return NAN
    return settle(math.fmod(dividend, divisor))


def power(left: Any, right: Any, allowance: Allowance) -> Number:
    base, exponent = double(to_number(left, allowance)), double(to_number(right, allowance))
    if exponent == 0:
        return 1
    if exponent != exponent or (math.isinf(exponent) and abs(base) == 1):
        return NAN
    try:
        return settle(math.pow(base, exponent))
    except OverflowError:
        return -INFINITY if base < 0 and exponent % 2 == 1 else INFINITY
    except ValueError:
        if base != 0:
            return NAN  # a negative base with a fractional exponent
        return -INFINITY if math.copysign(1.0, base) < 0 and exponent % 2 == 1 else INFINITY


def equal(left: Any, right: Any, allowance: Allowance) -> bool:
    """Loose equality."""
    if type(left) is type(right) and (type(left) is str or type(left) in NUMBERS):
        return bool(left == right)
    if left is None or left is UNDEFINED:
        return right is None or right is UNDEFINED
    if right is None or right is UNDEFINED:
        return False
    left_composite, right_composite = is_composite(left), is_composite(right)
    if left_composite and right_composite:
        return left is right
    if left_composite:
        left = to_text(left, allowance)
    elif right_composite:
        right = to_text(right, allowance)
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return to_number(left, allowance) == to_number(right, allowance)


def unequal(left: Any, right: Any, allowance: Allowance) -> bool:
    return not equal(left, right, allowance)


def identical(left: Any, right: Any) -> bool:
    """Equality without coercion: NaN equals nothing, arrays and objects only themselves."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, str):
        return isinstance(right, str) and left == right
    if isinstance(left, (int, float)):
        return isinstance(right, (int, float)) and left == right
    return left is right


def _ordered(left: Any, right: Any, allowance: Allowance) -> tuple[Any, Any]:
    """Both as texts that Python orders by code unit, or both as numbers."""
    if is_composite(left):
        left = to_text(left, allowance)
    if is_composite(right):
        right = to_text(right, allowance)
    if isinstance(left, str) and isinstance(right, str):
        if left.isascii() or right.isascii():
            return left, right
        # Python orders by code point, which differs from code units beyond the basic plane.
        allowance.spend_text(len(left) + len(right))
        return left.encode("utf-16-be", "surrogatepass"), right.encode("utf-16-be", "surrogatepass")
    return to_number(left, allowance), to_number(right, allowance)


def less(left: Any, right: Any, allowance: Allowance) -> bool:
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        left, right = _ordered(left, right, allowance)
    return bool(left < right)


def less_or_equal(left: Any, right: Any, allowance: Allowance) -> bool:
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        left, right = _ordered(left, right, allowance)
    return bool(left <= right)


def greater(left: Any, right: Any, allowance: Allowance) -> bool:
    return less(right, left, allowance)


def greater_or_equal(left: Any, right: Any, allowance: Allowance) -> bool:
    return less_or_equal(right, left, allowance)


def contained(needle: Any, haystack: Any, allowance: Allowance) -> bool:
    """The `in` operator: substring of a text, or strict membership of an array."""
    if isinstance(haystack, str):
        text = to_text(needle, allowance)
        allowance.spend_text(len(haystack))
        return text in haystack
    if is_array(haystack):
        allowance.spend(len(haystack))
        return any(identical(needle, item) for item in haystack)
    return False


OPERATORS: Final[Mapping[str, Operator]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "//": floor_divide,
    "%": remainder,
    "^": power,
    "==": equal,
    "!=": unequal,
    "<": less,
    "<=": less_or_equal,
    ">": greater,
    ">=": greater_or_equal,
    "in": contained,
}
"""All but `&&` and `||`, which do not evaluate both sides."""
