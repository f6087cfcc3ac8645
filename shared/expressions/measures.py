"""The value that a monitor stores for what its expression gave (contract monitoring.md, evaluation)."""

from __future__ import annotations

from typing import Any

from .limits import Allowance
from .numerals import floor_decimals, parse_decimal, parse_integer
from .patterns import search
from .values import UNDEFINED, Number, to_text

MONITOR_SCALE = 100_000
"""Monitors keep five decimals, quick monitors two."""


def monitor_value(value: Any, data_type: str, data_match: str = "") -> Number:
    """Match, then cast: `float` floors to five decimals in doubles, every other type is an integer-parse.

    With `data_match`, the first capture group (the whole match where the pattern has none) of the text form
    is cast; no match, and a group that took no part, give 0. What is not a number gives 0. Raises
    ExpressionError for a pattern that does not compile or takes too long.
    """
    allowance = Allowance()
    if data_match:
        found = search(data_match, to_text(value, allowance), allowance)
        value = UNDEFINED if found is None else found[1] if len(found) > 1 else found[0]
    if data_type == "float":
        number = parse_decimal(value, allowance)
        return 0 if number != number else floor_decimals(number, MONITOR_SCALE)
    number = parse_integer(value, allowance)
    return 0 if number != number else number
