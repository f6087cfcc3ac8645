"""Why an expression has the value it has: each part of it that reads the context, with what it gave.

`monitors.load_avg >= (cpu.cores + 1)` is explained by `monitors.load_avg` = 9.4, `cpu.cores + 1` = 9 and
`cpu.cores` = 8. Parts inside a filter depend on its element and are told by the filter's own value; what was
skipped, because `&&`, `||` or a branch had decided already, is not told.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple

from . import syntax
from .compiler import compile_node
from .errors import ExpressionError
from .expression import compile_expression
from .json_text import to_json
from .limits import Allowance, Directory
from .values import UNDEFINED, truthy

MAX_PARTS: Final = 40
MAX_VISITED: Final = 200
"""Nodes looked at for them: an expression may repeat one part a thousand times."""
MAX_VALUE_LENGTH: Final = 200
"""Characters of a value's text; longer ones are cut, and arrays and objects are told by their size."""


class Part(NamedTuple):
    """One part: its text, and its value ready for JSON (an undefined one is None) or the error it gave."""

    text: str
    value: Any
    error: str = ""

    def as_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {"text": self.text, "value": self.value}
        return {**told, "error": self.error} if self.error else told


def explain(text: str, context: Mapping[str, Any], directory: Directory | None = None) -> list[Part]:
    """The parts of an expression in the order they are written, the whole first. Raises ExpressionError.

    Only for what does not compile: an error in a part is told with that part.
    """
    compile_expression(text)  # the limits on its length, and a remembered failure
    from .parser import parse

    allowance = Allowance(directory)
    found: dict[str, Part] = {}
    for node in islice(_told(parse(text), context, allowance), MAX_VISITED):
        shown = written(node)
        if shown not in found:
            found[shown] = _part(shown, node, context, allowance)
        if len(found) == MAX_PARTS:
            break
    return list(found.values())


def names_of(text: str) -> frozenset[str]:
    """The names of the context that an expression reads. Raises ExpressionError."""
    compile_expression(text)
    from .parser import parse

    return frozenset(node.name for node in every(parse(text)) if isinstance(node, syntax.Name))


def written(node: syntax.Node) -> str:
    """The node as text of the language: what was written, with blanks of its own."""
    match node:
        case syntax.Literal(value=value):
            return _literal(value)
        case syntax.Name(name=name):
            return name
        case syntax.Relative(name=name):
            return f".{name}"
        case syntax.Group(inner=inner):
            return f"({written(inner)})"
        case syntax.Array(items=items):
            return f"[{', '.join(map(written, items))}]"
        case syntax.Object(members=members):
            pairs = (f"{_literal(key)}: {written(value)}" for key, value in members)
            return f"{{{', '.join(pairs)}}}"
        case syntax.Not(operand=operand):
            return f"!{written(operand)}"
        case syntax.Minus(operand=operand):
            return f"-{written(operand)}"
        case syntax.Chain(first=first, rest=rest):
            return " ".join([written(first), *(f"{operator} {written(one)}" for operator, one in rest)])
        case syntax.Ternary(test=test, then=None, otherwise=otherwise):
            return f"{written(test)} ?: {written(otherwise)}"
        case syntax.Ternary(test=test, then=then, otherwise=otherwise) if then is not None:
            return f"{written(test)} ? {written(then)} : {written(otherwise)}"
        case syntax.Member(base=base, names=names):
            return ".".join([written(base), *names])
        case syntax.Index(base=base, key=key):
            return f"{written(base)}[{written(key)}]"
        case syntax.Call(name=name, arguments=arguments):
            return f"{name or ''}({', '.join(map(written, arguments))})"
        case syntax.Transform(base=base, name=name, arguments=arguments):
            return f"{written(base)}|{name}({', '.join(map(written, arguments))})"
        case _:
            raise TypeError(type(node).__name__)


def _told(node: syntax.Node, context: Mapping[str, Any], allowance: Allowance) -> Iterator[syntax.Node]:
    """The nodes worth telling below a node, itself first; those that were evaluated only."""
    match node:
        case syntax.Literal() | syntax.Relative():
            return
        case syntax.Name() | syntax.Member() | syntax.Index() | syntax.Transform():
            yield node
        case syntax.Group(inner=inner):
            yield from _told(inner, context, allowance)
        case syntax.Chain(first=first, rest=rest):
            yield node
            yield from _told(first, context, allowance)
            so_far = first
            for place, (operator, operand) in enumerate(rest):
                if operator in ("&&", "||") and truthy(_value(so_far, context, allowance)) is (
                    operator == "||"
                ):
                    continue
                yield from _told(operand, context, allowance)
                so_far = syntax.Chain(first, rest[: place + 1])
        case syntax.Ternary(test=test, then=then, otherwise=otherwise):
            yield node
            yield from _told(test, context, allowance)
            branch = (then or test) if truthy(_value(test, context, allowance)) else otherwise
            yield from _told(branch, context, allowance)
        case syntax.Not() | syntax.Minus():
            yield node
            yield from _told(node.operand, context, allowance)
        case syntax.Call(arguments=inner) | syntax.Array(items=inner):
            yield node
            for one in inner:
                yield from _told(one, context, allowance)
        case syntax.Object(members=members):
            for _, one in members:
                yield from _told(one, context, allowance)


def every(node: syntax.Node) -> Iterator[syntax.Node]:
    """The node and all below it."""
    pending: list[Any] = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, syntax.Node):
            yield current
            attributes: tuple[str, ...] = current.__match_args__
            pending.extend(getattr(current, attribute) for attribute in attributes)
        elif isinstance(current, tuple):
            pending.extend(current)


def _part(shown: str, node: syntax.Node, context: Mapping[str, Any], allowance: Allowance) -> Part:
    try:
        value = compile_node(node)(context, None, allowance)
        return Part(shown, _brief(value, allowance))
    except ExpressionError as problem:
        return Part(shown, None, problem.reason)


def _value(node: syntax.Node, context: Mapping[str, Any], allowance: Allowance) -> Any:
    try:
        return compile_node(node)(context, None, allowance)
    except ExpressionError:
        return UNDEFINED


def _brief(value: Any, allowance: Allowance) -> Any:
    if value is UNDEFINED:
        return None
    if isinstance(value, (list, tuple)):
        return f"({len(value)} items)"
    if isinstance(value, dict):
        return f"({len(value)} properties)"
    if isinstance(value, str):
        return value if len(value) <= MAX_VALUE_LENGTH else f"{value[:MAX_VALUE_LENGTH]}…"
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return str(value)
    return value


def _literal(value: Any) -> str:
    return to_json(value, Allowance())
