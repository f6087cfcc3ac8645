"""PxQL: `(field OP value & (field OP value | …))` (contract search.md §3.2)."""

import re
from dataclasses import dataclass

import msgspec

from conductor.records.search.tree import SearchError

_DEEPEST = 32
_MOST_CLAUSES = 256

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\()
      | (?P<close>\))
      | (?P<operator>==|=~|=|!~|<=|>=|<|>)
      | (?P<joiner>&&?|\|\|?)
      | (?P<number>-?\d+(?:\.\d+)?)(?![\w.])
      | (?P<field>[A-Za-z]\w*)
      | (?P<text>"(?:[^"\\]|\\.)*")
    )""",
    re.VERBOSE | re.DOTALL,
)
_OPERATORS = {"==": "=", "=~": "=", "!~": "!"}


@dataclass(frozen=True, slots=True)
class Clause:
    field: str
    operator: str
    """One of = ! < <= > >=; `!` is "does not match"."""
    value: str


@dataclass(frozen=True, slots=True)
class Group:
    joiner: str
    """`&` or `|`."""
    parts: tuple["Group | Clause", ...]


def parse_pxql(text: str) -> Group | Clause:
    """Raises SearchError, saying what was expected and where."""
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._clauses = 0
        self._kind, self._lexeme = "", ""
        self._next()

    def whole(self) -> Group | Clause:
        node = self._level(0)
        if self._kind != "end":
            raise self._unexpected("the end")
        return node

    def _level(self, depth: int) -> Group | Clause:
        if depth > _DEEPEST:
            raise SearchError("Too many nested parentheses")
        parts = [self._part(depth)]
        joiner = ""
        while self._kind == "joiner":
            if joiner and self._lexeme[0] != joiner:
                raise SearchError("Ambiguous logic operator: use parentheses to separate & and |")
            joiner = self._lexeme[0]
            self._next()
            parts.append(self._part(depth))
        return Group(joiner, tuple(parts)) if joiner else parts[0]

    def _part(self, depth: int) -> Group | Clause:
        if self._kind == "open":
            self._next()
            node = self._level(depth + 1)
            if self._kind != "close":
                raise self._unexpected("a closing parenthesis")
            self._next()
            return node
        return self._clause()

    def _clause(self) -> Clause:
        self._clauses += 1
        if self._clauses > _MOST_CLAUSES:
            raise SearchError("The query has too many clauses")
        field = self._take("field", "a field")
        operator = self._take("operator", "an operator")
        operator = _OPERATORS.get(operator, operator)
        if self._kind not in ("number", "text"):
            raise self._unexpected("a number or a quoted text")
        value = self._lexeme if self._kind == "number" else self._unquoted()
        self._next()
        return Clause(field, operator, value)

    def _unquoted(self) -> str:
        try:
            return msgspec.json.decode(self._lexeme, type=str)
        except msgspec.DecodeError:
            raise SearchError(f"Not a text in JSON's form: {self._lexeme[:40]}") from None

    def _take(self, kind: str, expected: str) -> str:
        if self._kind != kind:
            raise self._unexpected(expected)
        token = self._lexeme
        self._next()
        return token

    def _next(self) -> None:
        match = _TOKEN.match(self._text, self._at)
        if match is None or match.lastgroup is None:
            rest = self._text[self._at :].strip()
            self._kind, self._lexeme = ("unknown", rest[:20]) if rest else ("end", "")
            return
        self._kind, self._lexeme = match.lastgroup, match[match.lastgroup]
        self._at = match.end()

    def _unexpected(self, expected: str) -> SearchError:
        found = self._lexeme if self._kind != "end" else "the end of the query"
        return SearchError(f"Syntax error: expected {expected}, found {found}")
