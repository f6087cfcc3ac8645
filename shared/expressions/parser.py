"""Text to syntax tree, by the grammar in `grammar.lark`.

lark is imported and its tables are built when the first expression is parsed; a process that never compiles
one pays for neither.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args

from . import syntax
from .errors import ExpressionError
from .limits import MAX_LENGTH
from .values import settle

HOST_NAMES: Final = frozenset(
    (
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
        "__proto__",
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
    )
)
"""Refused as identifiers; they remain readable as data keys in brackets (contract §5)."""


def parse(text: str) -> syntax.Node:
    """The syntax tree of an expression. Raises ExpressionError with the position of the offending token."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"Expression is longer than {MAX_LENGTH} characters")
    if not text.strip():
        raise ExpressionError("Expression is empty", 0)
    try:
        node = _lark().parse(text)
    except UnexpectedToken as problem:
        if problem.token.type == "$END":
            raise ExpressionError("Unexpected end of expression", len(text)) from None
        raise _unexpected(problem.token) from None
    except UnexpectedInput as problem:
        position = problem.pos_in_stream or 0
        raise ExpressionError(f"Unexpected character {text[position]!r}", position) from None
    assert isinstance(node, syntax.Node)  # noqa: S101 - what the `start` callback returns
    return node


def _unexpected(token: Token) -> ExpressionError:
    shown = token.value if len(token.value) <= 40 else token.value[:40] + "…"
    return ExpressionError(f"Unexpected '{shown}'", token.start_pos)


@cache
def _lark() -> Lark:
    grammar = Path(__file__).with_name("grammar.lark").read_text(encoding="utf-8")
    # The basic lexer splits the text the same way wherever a token stands, as the contract's rules assume.
    return Lark(grammar, parser="lalr", lexer="basic", transformer=_TreeBuilder(), maybe_placeholders=False)


@v_args(inline=True)
class _TreeBuilder(Transformer[Token, Any]):
    """Called by the parser for each rule, innermost first, so that no tree is walked recursively."""

    def start(self, node: syntax.Node) -> syntax.Node:
        return node

    def number(self, token: Token) -> syntax.Node:
        if token[:2].lower() in ("0x", "0o", "0b"):
            return syntax.Literal(settle(int(token, 0)))
        return syntax.Literal(settle(float(token)))

    def string(self, token: Token) -> syntax.Node:
        return syntax.Literal(_unquote(token))

    def yes(self, _token: Token) -> syntax.Node:
        return syntax.Literal(True)

    def no(self, _token: Token) -> syntax.Node:
        return syntax.Literal(False)

    def name(self, token: Token) -> syntax.Node:
        return syntax.Name(_identifier(token))

    def relative(self, token: Token) -> syntax.Node:
        return syntax.Relative(_identifier(token))

    def group(self, _parenthesis: Token, inner: syntax.Node) -> syntax.Node:
        return syntax.Group(inner)

    def array(self, items: list[syntax.Node]) -> syntax.Node:
        return syntax.Array(tuple(items))

    def object(self, pairs: dict[str, syntax.Node] | None = None) -> syntax.Node:
        return syntax.Object(tuple((pairs or {}).items()))

    def pair(self, key: Token, value: syntax.Node) -> tuple[str, syntax.Node]:
        return (_unquote(key) if key.type == "STRING" else _identifier(key)), value

    def first_pair(self, pair: tuple[str, syntax.Node]) -> dict[str, syntax.Node]:
        return {pair[0]: pair[1]}

    def more_pairs(
        self, pairs: dict[str, syntax.Node], pair: tuple[str, syntax.Node]
    ) -> dict[str, syntax.Node]:
        pairs[pair[0]] = pair[1]
        return pairs

    def no_slots(self) -> list[syntax.Node]:
        return []

    def same_slots(self, slots: list[syntax.Node]) -> list[syntax.Node]:
        return slots

    def more_slots(self, slots: list[syntax.Node], item: syntax.Node) -> list[syntax.Node]:
        slots.append(item)
        return slots

    def all_slots(self, slots: list[syntax.Node], last: syntax.Node | None = None) -> list[syntax.Node]:
        if last is not None:
            slots.append(last)
        return slots

    def negation(self, operand: syntax.Node) -> syntax.Node:
        return syntax.Not(operand)

    def minus(self, _sign: Token, operand: syntax.Node) -> syntax.Node:
        return _negative_literal(operand) or syntax.Minus(operand)

    def chain(self, first: syntax.Node, *rest: Any) -> syntax.Node:
        return syntax.Chain(first, tuple(zip(map(str, rest[::2]), rest[1::2], strict=True)))

    logic_chain = chain

    def ternary(self, test: syntax.Node, then: syntax.Node, otherwise: syntax.Node) -> syntax.Node:
        return syntax.Ternary(test, then, otherwise)

    def elvis(self, test: syntax.Node, otherwise: syntax.Node) -> syntax.Node:
        return syntax.Ternary(test, None, otherwise)

    def member(self, base: syntax.Node, token: Token) -> syntax.Node:
        name = _identifier(token)
        if isinstance(base, syntax.Member):
            return syntax.Member(base.base, (*base.names, name))
        return syntax.Member(base, (name,))

    def index(self, base: syntax.Node, key: syntax.Node) -> syntax.Node:
        return syntax.Index(base, key)

    def call(self, target: syntax.Node, parenthesis: Token, arguments: list[syntax.Node]) -> syntax.Node:
        match target:
            case syntax.Name(name=name) | syntax.Relative(name=name):
                return syntax.Call(name, tuple(arguments))
            case syntax.Member(base=base, names=names) if not isinstance(base, syntax.Literal):
                return syntax.Call(names[-1], tuple(arguments))  # the path before the name is ignored
            case syntax.Index():
                return syntax.Call(None, tuple(arguments))
            case _:
                raise _unexpected(parenthesis)

    def piped(self, base: syntax.Node, _pipe: Token, name: Token, *rest: Any) -> syntax.Node:
        return syntax.Transform(base, _identifier(name), tuple(rest[1]) if rest else ())


def _identifier(token: Token) -> str:
    if token.value in HOST_NAMES:
        raise _unexpected(token)
    return str(token)


def _unquote(token: Token) -> str:
    """The escaped quote gives the quote, and only the first double backslash gives one (contract §2)."""
    quote = token[0]
    return token[1:-1].replace(f"\\{quote}", quote).replace("\\\\", "\\", 1)


def _negative_literal(operand: syntax.Node) -> syntax.Node | None:
    """`-5.x` reads a property of the number -5, so the sign goes to the number and not to the path."""
    match operand:
        case syntax.Literal(value=value) if not isinstance(value, (bool, str)):
            return syntax.Literal(-value if value else -0.0)
        case syntax.Member(base=base, names=names):
            negative = _negative_literal(base)
            return negative and syntax.Member(negative, names)
        case _:
            return None
