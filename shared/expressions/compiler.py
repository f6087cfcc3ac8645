"""Syntax tree to closures: each node becomes a function of (context, element, allowance), composed once.

`element` is what `.name` reads inside a filter; None means the context root. Elements that are falsy are
handed on as None, which is exactly the contract's rule for them (§5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Never

from . import paths, syntax
from .errors import ExpressionError
from .functions import FUNCTIONS
from .limits import Allowance
from .numerals import to_number
from .operators import OPERATORS
from .values import UNDEFINED, is_array, settle, truthy

Step = Callable[[Mapping[str, Any], Any, Allowance], Any]


def compile_node(node: syntax.Node) -> Step:
    """The function that evaluates `node`. Never fails: an unknown function name is an evaluation error."""
    match node:
        case syntax.Literal(value=value):
            return lambda context, element, allowance: value
        case syntax.Name(name=name):
            return lambda context, element, allowance: context.get(name, UNDEFINED)
        case syntax.Relative(name=name):
            return _relative(name)
        case syntax.Group(inner=inner):
            return compile_node(inner)
        case syntax.Member():
            return _member(node)
        case syntax.Index():
            return _filter(node) if node.key.relative else _element(node)
        case syntax.Chain():
            return _logic(node) if node.rest[0][0] in ("&&", "||") else _operators(node)
        case syntax.Not(operand=operand):
            negated = compile_node(operand)
            return lambda context, element, allowance: not truthy(negated(context, element, allowance))
        case syntax.Minus(operand=operand):
            return _minus(compile_node(operand))
        case syntax.Ternary():
            return _ternary(node)
        case syntax.Call():
            return _call(node)
        case syntax.Array(items=items):
            steps = [compile_node(item) for item in items]
            return lambda context, element, allowance: [step(context, element, allowance) for step in steps]
        case syntax.Object(members=members):
            pairs = [(key, compile_node(value)) for key, value in members]
            return lambda context, element, allowance: {
                key: step(context, element, allowance) for key, step in pairs
            }
        case syntax.Transform():
            return _failure(f"Transform {node.name} is not defined")
        case _:
            raise TypeError(type(node).__name__)


def misread_filters(node: syntax.Node) -> list[str]:
    """Sentences about brackets that look like a filter but are not one, for whoever saves the expression."""
    found: list[str] = []
    pending: list[Any] = [node]
    while pending:
        current = pending.pop()
        if isinstance(current, syntax.Index) and current.key.hides and not current.key.relative:
            found.append(
                "A bracket is not a filter: its .name stands only inside parentheses, arguments or branches"
            )
        if isinstance(current, syntax.Node):
            attributes: tuple[str, ...] = current.__match_args__
            pending.extend(getattr(current, attribute) for attribute in attributes)
        elif isinstance(current, tuple):
            pending.extend(current)
    return found


def _relative(name: str) -> Step:
    def relative(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        return context.get(name, UNDEFINED) if element is None else paths.own(element, name)

    return relative


def _member(node: syntax.Member) -> Step:
    member = paths.member
    if isinstance(node.base, syntax.Name):
        root, names = node.base.name, node.names

        def from_context(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
            value = context.get(root, UNDEFINED)
            for name in names:
                value = value.get(name, UNDEFINED) if type(value) is dict else member(value, name)
            return value

        return from_context

    base, names = compile_node(node.base), node.names

    def from_value(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        value = base(context, element, allowance)
        for name in names:
            value = member(value, name)
        return value

    return from_value


def _element(node: syntax.Index) -> Step:
    base, key, read = compile_node(node.base), compile_node(node.key), paths.element

    def indexed(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        value = base(context, element, allowance)
        return read(value, key(context, element, allowance), allowance)

    return indexed


def _filter(node: syntax.Index) -> Step:
    base, keeps, cost = compile_node(node.base), compile_node(node.key), node.key.size

    def filtered(context: Mapping[str, Any], element: Any, allowance: Allowance) -> list[Any]:
        value = base(context, element, allowance)
        if not is_array(value):
            value = [] if value is UNDEFINED else [value]
        allowance.spend(len(value) * cost)
        return [item for item in value if truthy(keeps(context, item if truthy(item) else None, allowance))]

    return filtered


def _operators(node: syntax.Chain) -> Step:
    first = compile_node(node.first)
    rest = [(OPERATORS[operator], compile_node(operand)) for operator, operand in node.rest]
    if len(rest) == 1:
        operate, second = rest[0]

        def once(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
            left = first(context, element, allowance)
            return operate(left, second(context, element, allowance), allowance)

        return once

    def in_turn(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        value = first(context, element, allowance)
        for apply, operand in rest:
            value = apply(value, operand(context, element, allowance), allowance)
        return value

    return in_turn


def _logic(node: syntax.Chain) -> Step:
    first = compile_node(node.first)
    rest = [(operator == "&&", compile_node(operand)) for operator, operand in node.rest]

    def decided(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        value = first(context, element, allowance)
        for when, operand in rest:
            if truthy(value) is when:
                value = operand(context, element, allowance)
        return value

    return decided


def _minus(operand: Step) -> Step:
    def minus(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        number = to_number(operand(context, element, allowance), allowance)
        return settle(-number) if number else -float(number)

    return minus


def _ternary(node: syntax.Ternary) -> Step:
    test, otherwise = compile_node(node.test), compile_node(node.otherwise)
    then = None if node.then is None else compile_node(node.then)

    def chosen(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        value = test(context, element, allowance)
        if not truthy(value):
            return otherwise(context, element, allowance)
        return value if then is None else then(context, element, allowance)

    return chosen


def _call(node: syntax.Call) -> Step:
    if node.name is None:
        return _failure("Only a name can be called")
    function = FUNCTIONS.get(node.name)
    if function is None:
        return _failure(f"Function {node.name} is not defined")
    arguments = [compile_node(argument) for argument in node.arguments]

    def called(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Any:
        return function([argument(context, element, allowance) for argument in arguments], allowance)

    return called


def _failure(reason: str) -> Step:
    def failing(context: Mapping[str, Any], element: Any, allowance: Allowance) -> Never:
        raise ExpressionError(reason)

    return failing
