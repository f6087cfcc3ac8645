"""Regular expressions in definitions: JavaScript's dialect, searched in bounded time.

What cannot be translated is refused on save (contract api/README.md §11.5). Translation and bounds are
those of the expression language (`shared.expressions`).
"""

from conductor.errors import BadParameter
from shared.expressions import ExpressionError, compile_pattern


def check_pattern(pattern: str) -> None:
    """Raise BadParameter, saying what is wrong, unless `pattern` compiles."""
    try:
        compile_pattern(pattern)
    except ExpressionError as error:
        raise BadParameter(f"Invalid regular expression: {error}") from None


def found_in(text: str, pattern: str) -> bool:
    """Whether `pattern` matches somewhere in `text`. What cannot be searched within bounds does not match."""
    try:
        return compile_pattern(pattern).search(text) is not None
    except ExpressionError:
        return False
