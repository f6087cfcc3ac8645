"""Expressions, templates and patterns in definitions are compiled before they are stored.

Contract api/README.md §11.5: a fault is refused with the code of the kind and the parser's words.
"""

from conductor.definitions.patterns import check_pattern
from conductor.errors import BadParameter, Refusal
from shared.expressions import ExpressionError, check_macros, compile_expression
from shared.expressions.hints import hints


def check_source(source: str, code: str, what: str) -> None:
    """Raise Refusal `code` unless `source` compiles as an expression."""
    try:
        compile_expression(source)
    except ExpressionError as error:
        raise Refusal(code, f"Invalid {what}: {error}") from None


def hints_of(source: str) -> dict[str, list[str]]:
    """`hints` of a checked expression, told once beside the new definition; nothing where there are none."""
    found = hints(source)
    return {"hints": found} if found else {}


def check_template(text: str, code: str, what: str) -> None:
    """Raise Refusal `code` unless every macro in `text` compiles."""
    try:
        check_macros(text)
    except ExpressionError as error:
        raise Refusal(code, f"Invalid macro in {what}: {error}") from None


def check_regex(pattern: str, code: str, what: str) -> None:
    """Raise Refusal `code` unless `pattern` compiles and can be searched within bounds."""
    try:
        check_pattern(pattern)
    except BadParameter as error:
        raise Refusal(code, f"Invalid {what}: {error.description}") from None
