"""One compiled expression, and the cache that makes compiling a one-time cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from .errors import ExpressionError
from .limits import MAX_LENGTH, Allowance, Directory
from .values import NUMBERS, settle, truthy

CACHE_SIZE: Final = 2048
"""Distinct expression texts kept compiled. A text is some kilobytes once it is compiled."""


class Expression:
    """A compiled expression: immutable, safe to share between threads, made by `compile_expression`."""

    __slots__ = ("_evaluate", "size", "text", "warnings")

    def __init__(
        self,
        text: str,
        evaluate: Callable[[Mapping[str, Any], Any, Allowance], Any],
        size: int,
        warnings: tuple[str, ...],
    ) -> None:
        self.text = text
        self.size = size
        """Number of parts: the steps that one evaluation takes before filters and functions."""
        self.warnings = warnings
        """Sentences for whoever saves it: brackets that look like a filter and are none (contract §8)."""
        self._evaluate = evaluate

    def evaluate(self, context: Mapping[str, Any], directory: Directory | None = None) -> Any:
        """The value: None, bool, int, float (NaN and ±Infinity too), str, list, dict or `UNDEFINED`.

        Whole numbers up to 2^53 are `int`. Arrays and objects of the context are returned as they are, not
        copied. Raises ExpressionError and nothing else. Without a `directory`, `server()` and `event()` find
        nothing.
        """
        return self.evaluate_within(Allowance(directory), context)

    def evaluate_condition(self, context: Mapping[str, Any], directory: Directory | None = None) -> bool:
        """The truthiness of the value (contract §1). Raises ExpressionError and nothing else."""
        return truthy(self.evaluate_within(Allowance(directory), context))

    def evaluate_within(self, allowance: Allowance, context: Mapping[str, Any]) -> Any:
        """As `evaluate`, paying from an allowance that several evaluations share."""
        try:
            value = self._evaluate(context, None, allowance)
            if type(value) in NUMBERS:
                return value if type(value) is int else settle(value) or 0
        except ExpressionError:
            raise
        except Exception as problem:
            # Nothing is known to get here; should a value of the context misbehave, the promise holds.
            raise ExpressionError(f"Expression failed: {type(problem).__name__}") from problem
        return value


def compile_expression(text: str) -> Expression:
    """Compile, or take from the cache. Raises ExpressionError with the position of what is wrong."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"Expression is longer than {MAX_LENGTH} characters")
    compiled = _compiled(text)
    if isinstance(compiled, ExpressionError):
        raise ExpressionError(compiled.reason, compiled.position)
    return compiled


@lru_cache(maxsize=CACHE_SIZE)
def _compiled(text: str) -> Expression | ExpressionError:
    """Failures are remembered too: a definition that no longer compiles is met again with every sample."""
    # The parser brings lark with it, which a satellite neither has nor needs.
    from .compiler import compile_node, misread_filters
    from .parser import parse

    try:
        tree = parse(text)
    except ExpressionError as problem:
        return ExpressionError(problem.reason, problem.position)
    return Expression(text, compile_node(tree), tree.size, tuple(misread_filters(tree)))
