"""The query language: text to tree (contract search.md §3). Pure.

A phrase, and a value that splits into several words, is found where all its words are in the field, in
any order: the index knows words, not their places.
"""

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
    unwanted: list[Tree] = []
    for term in terms:
        field = _field(index, term.field)
        if field is None:
            continue
        condition = (
            _alternatives(term, field, now) if isinstance(term, Alternatives) else _term(term, field, now)
        )
        if condition is not None:
            excluded = isinstance(term, Term) and term.excluded
            (unwanted if excluded else wanted).append(condition)
    if not wanted:
        return NOTHING
    return conjunction([*wanted, *map(negation, unwanted)])


def _term(term: Term, field: Field, now: float) -> Tree | None:
    if field.type is FieldType.WORD:
        found = words(term.value, field)
        return conjunction(WordNode(field.name, word) for word in found) if found else None
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
    found = [WordNode(field.name, word) for value in term.values for word in words(value, field)]
    return disjunction(found) if found else None


def _structured(node: Group | Clause, index: Index, now: float) -> Tree:
    if isinstance(node, Group):
        parts = [_structured(part, index, now) for part in node.parts]
        return conjunction(parts) if node.joiner == "&" else disjunction(parts)
    field = _field(index, node.field)
    if field is None:
        raise SearchError(f"Unknown field: {node.field}")
    if node.operator in ("=", "!"):
        if field.type is FieldType.WORD:
            found = words(node.value, field)
            match: Tree = conjunction(WordNode(field.name, word) for word in found) if found else NOTHING
        else:
            match = typed(field, "=", node.value, now)
        return negation(match) if node.operator == "!" else match
    if field.type is FieldType.WORD:
        raise SearchError(f"Field {node.field} cannot be compared with {node.operator}")
    return typed(field, node.operator, node.value, now)


def _field(index: Index, name: str) -> Field | None:
    field = index.fields.get(name)
    return field if field is not None and field.searchable else None
