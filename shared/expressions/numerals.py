"""The coercion to number and the two prefix parses, integer and decimal (contract §1 and §6)."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from .limits import Allowance
from .values import INFINITY, MAX_SAFE, NAN, UNDEFINED, Number, double, is_array, settle, to_text

_LARGEST_INT: Final = 2**1023
_BLANKS: Final = (
    " \t\n\r\v\f\u00a0\ufeff\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INFINITE: Final = {"Infinity": INFINITY, "+Infinity": INFINITY, "-Infinity": -INFINITY}
_BASES: Final = {
    "0x": (16, re.compile("[0-9a-fA-F]+")),
    "0o": (8, re.compile("[0-7]+")),
    "0b": (2, re.compile("[01]+")),
}
_INTEGER: Final = re.compile(r"([+-]?)(?:0[xX]([0-9a-fA-F]*)|([0-9]*))")


def to_number(value: Any, allowance: Allowance) -> Number:
    """Coercion to number; never fails, what is not a number is NaN."""
    kind = type(value)
    if kind is float or (kind is int and -_LARGEST_INT < value < _LARGEST_INT):
        number: Number = value
        return number
    if value is None or value is False:
        return 0
    if value is True:
        return 1
    if value is UNDEFINED:
        return NAN
    if isinstance(value, str):
        allowance.spend_text(len(value))
        return _text_to_number(value)
    if is_array(value):
        return _text_to_number(to_text(value, allowance))
    if isinstance(value, (int, float)):
        return double(value)
    return NAN


def _text_to_number(text: str) -> Number:
    text = text.strip(_BLANKS)
    if not text:
        return 0
    if _DECIMAL.fullmatch(text):
        return settle(float(text))
    if text in _INFINITE:
        return _INFINITE[text]
    base = _BASES.get(text[:2].lower())
    if base and base[1].fullmatch(text, 2):
        return settle(int(text[2:], base[0]))
    return NAN


def parse_integer(value: Any, allowance: Allowance) -> Number:
    """The leading whole number of the text form (`0x` allowed), or NaN: the integer-parse of contract §6."""
    if type(value) is int and -MAX_SAFE <= value <= MAX_SAFE:
        return int(value)
    text = to_text(value, allowance).lstrip(_BLANKS)
    allowance.spend_text(len(text))
    found = _INTEGER.match(text)
    if found is None:
        return NAN
    sign, hexadecimal, decimal = found.groups()
    if hexadecimal:
        number = settle(int(hexadecimal, 16))
    elif decimal:
        number = settle(float(decimal))
    else:
        return NAN
    return -number if sign == "-" else number


def parse_decimal(value: Any, allowance: Allowance) -> Number:
    """The leading decimal number of the text form (exponent allowed, no hex), or NaN."""
    if type(value) is float:
        return settle(value)
    text = to_text(value, allowance).lstrip(_BLANKS)
    allowance.spend_text(len(text))
    found = _DECIMAL.match(text)
    if found:
        return settle(float(found.group()))
    for name, number in _INFINITE.items():
        if text.startswith(name):
            return number
    return NAN


def floor_decimals(number: Number, scale: int) -> Number:
    """Floor toward −∞ to the decimals of `scale` (100 keeps two): multiply, floor, divide in doubles."""
    scaled = double(number) * scale
    if not math.isfinite(scaled):
        return number if math.isinf(number) or number != number else scaled
    return settle(math.floor(scaled) / scale)
