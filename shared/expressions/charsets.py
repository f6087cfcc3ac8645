"""Sets of code points as ECMAScript patterns define them, and their form for the `regex` engine."""

from __future__ import annotations

from typing import Final

Ranges = list[tuple[int, int]]

_LAST: Final = 0x10FFFF
DIGITS: Final[Ranges] = [(0x30, 0x39)]
WORD: Final[Ranges] = [(0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A)]
BLANK: Final[Ranges] = [
    (0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029),
    (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF),
]  # fmt: skip
LINE_ENDS: Final[Ranges] = [(0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)]


def complement(ranges: Ranges) -> Ranges:
    """All code points outside the ranges, in order."""
    result: Ranges = []
    following = 0
    for start, end in sorted(ranges):
        if start > following:
            result.append((following, start - 1))
        following = max(following, end + 1)
    if following <= _LAST:
        result.append((following, _LAST))
    return result


def class_text(ranges: Ranges, negated: bool = False) -> str:
    """One character of the ranges, as the engine writes it; of no character at all, what never matches."""
    wanted = complement(ranges) if negated else ranges
    if not wanted:
        return "(?!)"
    return "[" + "".join(literal(a) if a == b else f"{literal(a)}-{literal(b)}" for a, b in wanted) + "]"


def literal(code: int) -> str:
    """One code point without any meaning of its own."""
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\U{code:08x}"
