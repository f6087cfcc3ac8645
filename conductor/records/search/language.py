"""The query language: text to tree (contract search.md §3). Pure.

Beyond the contract's original: a value may end in `*`, a time may have hours and minutes, and `*` among the
words stands for every record, so that exclusions alone can follow it.

A phrase, and a value that splits into several words, is found where all its words are in the field, in
any order: the index knows words, not their places.
"""

from dataclasses import replace
from functools import lru_cache

from conductor.records.search.index import Field, FieldType, Index
from conductor.records.search.pxql import Clause, Group, parse_pxql
from conductor.records.search.simple import Alternatives, Term, split
from conductor.records.search.tree import (
    EVERYTHING,
    NOTHING,
    And,
    Not,
    OneRecord,
    Or,
    Prefix,
    SearchError,
    Tree,
    conjunction,
    disjunction,
    negation,
)
from conductor.records.search.tree import Word as WordNode
from conductor.records.search.typed import between, typed
from conductor.records.search.words import words

_LONGEST = 16_384
_MOST_CONDITIONS = 256
"""Of one query: bounds the statement that it becomes."""


def parse(query: str, index: Index, now: float) -> Tree:
    """What `query` asks of `index`; `now` (Unix seconds) is what `today` refers to.

    Raises SearchError for a bad PxQL or `#` form, and for a query that is too long. A simple query is
    never an error: what it cannot use, it leaves out, and with nothing left it finds nothing.
    """
    text = query.strip()
    if len(text) > _LONGEST:
        raise SearchError("The query is too long")
    if text in ("", "*"):
        return EVERYTHING
    if text.startswith("#id:"):
        return OneRecord(text.removeprefix("#id:").strip())
    if text.startswith("#summary:"):
        raise SearchError(f"Field has no summary: {text.removeprefix('#summary:').strip()}")
    if text.startswith("(") and text.endswith(")"):
        tree = _structured(parse_pxql(text), index, now)
    else:
        tree = _simple(text, index, now)
    if _size(tree) > _MOST_CONDITIONS:
        raise SearchError("The query has too many words")
    return tree


def remarks(query: str, index: Index) -> tuple[str, ...]:
    """What of a simple query was left out, for people: unknown fields, and values that cannot be read."""
    return _remarks(query.strip(), index.name, _ByName(index))


class _ByName:
    """An index as a key of a cache: there is one of each name."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByName) and other.index.name == self.index.name

    def __hash__(self) -> int:
        return hash(self.index.name)


@lru_cache(512)
def _remarks(text: str, name: str, key: _ByName) -> tuple[str, ...]:
    index = key.index
    if text in ("", "*") or text.startswith(("(", "#")):
        return ()
    found: list[str] = []
    for term in split(text, index.default_field):
        field = _field(index, term.field)
        if field is None:
            found.append(f"There is no field {term.field!r} in {name}: it was ignored.")
        elif field.type is not FieldType.WORD:
            readable = (
                _alternatives(term, field, 0.0) if isinstance(term, Alternatives) else _term(term, field, 0.0)
            )
            if readable == NOTHING:
                shown = "|".join(term.values) if isinstance(term, Alternatives) else term.value
                found.append(f"The field {term.field!r} has no value {shown!r}: nothing can match.")
    return tuple(dict.fromkeys(found))


def _size(tree: Tree) -> int:
    match tree:
        case And(parts) | Or(parts):
            return sum(map(_size, parts))
        case Not(part):
            return _size(part)
        case _:
            return 1


def _simple(text: str, index: Index, now: float) -> Tree:
    terms = split(text, index.default_field)
    wanted: list[Tree] = []
    everything = False
    unwanted: list[Tree] = []
    for term in terms:
        if isinstance(term, Term) and term.value == "*" and not term.excluded:
            everything = True
            continue
        field = _field(index, term.field)
        if field is None:
            continue
        condition = (
            _alternatives(term, field, now) if isinstance(term, Alternatives) else _term(term, field, now)
        )
        if condition is not None:
            excluded = isinstance(term, Term) and term.excluded
            (unwanted if excluded else wanted).append(condition)
    if not wanted and not everything:
        return NOTHING
    return conjunction([*wanted, *map(negation, unwanted)])


def _term(term: Term, field: Field, now: float) -> Tree | None:
    if field.type is FieldType.WORD:
        return _words(term.value, field)
    low, dots, high = term.value.partition("..")
    if dots:
        return between(field, low, high, now)
    for operator in (">=", "<=", ">", "<", "="):
        if term.value.startswith(operator):
            return typed(field, operator, term.value.removeprefix(operator), now)
    return typed(field, "=", term.value, now)


def _alternatives(term: Alternatives, field: Field, now: float) -> Tree | None:
    if field.type is not FieldType.WORD:
        return disjunction(typed(field, "=", value, now) for value in term.values)
    found: list[Tree] = []
    for value in term.values:
        match _words(value, field):
            case And(parts):
                found.extend(parts)
            case None:
                pass
            case one:
                found.append(one)
    return disjunction(found) if found else None


def _words(value: str, field: Field) -> Tree | None:
    """All words of a value; the last one's beginning is enough where a `*` follows it."""
    begun = value.removesuffix("*")
    if begun != value and (starts := words(begun, replace(field, stemmed=False))):
        whole = [WordNode(field.name, word) for word in words(begun, field)[:-1]]
        return conjunction([*whole, Prefix(field.name, starts[-1])])
    found = words(value, field)
    return conjunction(WordNode(field.name, word) for word in found) if found else None


def _structured(node: Group | Clause, index: Index, now: float) -> Tree:
    if isinstance(node, Group):
        parts = [_structured(part, index, now) for part in node.parts]
        return conjunction(parts) if node.joiner == "&" else disjunction(parts)
    field = _field(index, node.field)
    if field is None:
        raise SearchError(f"Unknown field: {node.field}")
    if node.operator in ("=", "!"):
        if field.type is FieldType.WORD:
            match: Tree = _words(node.value, field) or NOTHING
        else:
            match = typed(field, "=", node.value, now)
        return negation(match) if node.operator == "!" else match
    if field.type is FieldType.WORD:
        raise SearchError(f"Field {node.field} cannot be compared with {node.operator}")
    return typed(field, node.operator, node.value, now)


def _field(index: Index, name: str) -> Field | None:
    field = index.fields.get(name)
    return field if field is not None and field.searchable else None
