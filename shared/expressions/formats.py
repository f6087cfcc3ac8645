"""Numbers as people read them: `bytes()`, `number()` and `pct()` (contract §6), always in en-US."""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Final

from .numerals import floor_decimals
from .values import Number, double, number_to_text

_PLAIN_DIGITS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def byte_size(number: Number) -> str:
    """`1 byte`, `1023 bytes`, `1.5 K`, `1 MB`; each division floors to one decimal, TB is the last unit."""
    unit = "byte" if number == 1 else "bytes"
    for larger in ("K", "MB", "GB", "TB"):
        if not number >= 1024:
            break
        number, unit = floor_decimals(double(number) / 1024, 10), larger
    return f"{number_to_text(number)} {unit}"


def grouped(number: Number) -> str:
    """Thousands commas, at most three decimals rounded half away from zero."""
    if number != number:
        return "NaN"
    if math.isinf(double(number)):
        return "∞" if number > 0 else "-∞"
    with localcontext(prec=350):
        # The shortest digits are rounded, not the exact double behind them: 1.0005 gives 1.001.
        rounded = Decimal(repr(number)).quantize(Decimal("0.001"), rounding=ROUND_HALF_UP)
        text = format(rounded, ",f")
    return text.rstrip("0").rstrip(".")


def percentage(part: Number, whole: Number, *, floor: bool) -> str:
    """`part` of `whole` in percent; `0%` for what has no plain unsigned decimal form."""
    value = math.nan if whole == 0 else double(part) * 100 / whole
    if not _PLAIN_DIGITS.fullmatch(number_to_text(value)):
        value = 0
    return f"{number_to_text(math.floor(value) if floor else floor_decimals(value, 100))}%"
