"""`{{ expression }}` in texts (contract §7). One pass: what a macro yields is never looked at again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from .errors import ExpressionError
from .expression import Expression, compile_expression
from .json_text import to_json
from .limits import MAX_MACRO_LENGTH, MAX_MACROS, Allowance, Directory
from .values import UNDEFINED, to_text

CACHE_SIZE: Final = 512
MAX_CACHED_LENGTH: Final = 8192
"""Longer texts are split at every use; their expressions still come from the expression cache."""

ValueFilter = Callable[[Any], Any]
"""Takes a macro's value (or its fallback or error text) before it becomes text."""

_LINE_ENDS: Final = "\n\r\u2028\u2029"


def expand(
    text: str,
    context: Mapping[str, Any],
    missing: str = "",
    *,
    value_filter: ValueFilter | None = None,
    directory: Directory | None = None,
) -> str:
    """Replace each macro by the text of its value. Never raises for what a macro contains.

    Undefined gives `missing`; a macro that does not compile or evaluate gives `(ERROR: …)`; arrays, objects
    and null become compact JSON. Nothing is escaped; `value_filter` is where a caller that needs it does so.
    All macros of a text share one evaluation's allowance.
    """
    if "{{" not in text:
        return text
    allowance = Allowance(directory)
    return "".join(
        [
            part if isinstance(part, str) else _render(part, context, missing, value_filter, allowance)
            for part in (_cached_parts(text) if len(text) <= MAX_CACHED_LENGTH else _parts(text))
        ]
    )


def check_macros(text: str) -> None:
    """Compile every macro of a text. Raises ExpressionError for the first bad one, positioned in the text."""
    length = 0
    for count, (start, source) in enumerate(_macros(text), 1):
        length += len(source)
        if count > MAX_MACROS or length > MAX_MACRO_LENGTH:
            raise ExpressionError("Text has too many macros", start)
        try:
            compile_expression(source)
        except ExpressionError as problem:
            raise ExpressionError(problem.reason, start + 2 + (problem.position or 0)) from None


def _macros(text: str) -> Iterator[tuple[int, str]]:
    """Offset and inside of each macro: `{{`, the shortest non-empty run without a line end, `}}`."""
    position = 0
    while (start := text.find("{{", position)) >= 0:
        end = text.find("}}", start + 3)
        if end < 0:
            return
        last_line_end = max(text.rfind(char, start + 2, end) for char in _LINE_ENDS)
        if last_line_end >= 0:
            position = last_line_end + 1  # a macro that started before it would span it too
        else:
            yield start, text[start + 2 : end]
            position = end + 2


Part = str | Expression | ExpressionError


def _parts(text: str) -> tuple[Part, ...]:
    parts: list[Part] = []
    position = length = 0
    for count, (start, source) in enumerate(_macros(text), 1):
        parts.append(text[position:start])
        position = start + len(source) + 4
        length += len(source)
        if count > MAX_MACROS or length > MAX_MACRO_LENGTH:
            parts.append(ExpressionError("Text has too many macros"))
            continue
        try:
            parts.append(compile_expression(source))
        except ExpressionError as problem:
            parts.append(ExpressionError(problem.reason, problem.position))
    parts.append(text[position:])
    return tuple(part for part in parts if part != "")


_cached_parts = lru_cache(maxsize=CACHE_SIZE)(_parts)


def _render(
    part: Expression | ExpressionError,
    context: Mapping[str, Any],
    missing: str,
    value_filter: ValueFilter | None,
    allowance: Allowance,
) -> str:
    if isinstance(part, ExpressionError):
        value: Any = f"(ERROR: {part})"
    else:
        try:
            allowance.spend(part.size)
            value = part.evaluate_within(allowance, context)
            if value is UNDEFINED:
                value = missing
            if value_filter is None:
                return _to_macro_text(value, allowance)
        except ExpressionError as problem:
            value = f"(ERROR: {problem})"
    if value_filter is not None:
        value = value_filter(value)
    try:
        return _to_macro_text(value, allowance)
    except ExpressionError as problem:
        return f"(ERROR: {problem})"


def _to_macro_text(value: Any, allowance: Allowance) -> str:
    if isinstance(value, str):
        allowance.spend_text(len(value))
        return value
    if value is UNDEFINED or isinstance(value, (bool, int, float)):
        return to_text(value, allowance)
    return _without_braces(to_json(value, allowance))


def _without_braces(text: str) -> str:
    if "{{" not in text:
        return text
    pieces: list[str] = []
    position = 0
    for start, source in _macros(text):
        pieces += (text[position:start], source)
        position = start + len(source) + 4
    pieces.append(text[position:])
    return "".join(pieces)
