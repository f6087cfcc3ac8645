"""What an expression probably does not mean what it says (contract expressions.md §8.2, §8.4)."""

from collections.abc import Iterator
from typing import Any

from . import syntax
from .explain import every, written
from .expression import compile_expression

ALWAYS_TRUE = "The result is a list or an object, which is always true: count() tells how much is in a list."


def hints(text: str) -> list[str]:
    """In words, each once; empty for most. Raises ExpressionError."""
    from .parser import parse  # only those who write expressions need the grammar

    compile_expression(text)
    return list(dict.fromkeys(_found(parse(text))))


def hints_of_result(value: Any) -> list[str]:
    """Of an expression that is to be true or false."""
    return [ALWAYS_TRUE] if isinstance(value, list | dict) else []


def _found(tree: syntax.Node) -> Iterator[str]:
    for node in every(tree):
        match node:
            case syntax.Index(key=key) if key.hides and not key.relative:
                yield (
                    f"{written(node)} is no filter: in its bracket .name stands inside parentheses, a call or "
                    "another bracket, and reads the sample instead of each item."
                )
            case syntax.Chain(rest=rest) if {"&&", "||"} <= {operator for operator, _ in rest}:
                yield f"{written(node)}: && and || go from left to right; parentheses say what belongs together."
