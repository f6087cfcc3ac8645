"""A tree as SQL: which condition leads, and how the others are checked.

The word index is sorted by field, word and record, so that the records of one word come in ID order: the
rarest word is walked in that order and the rest checked on each, which ends after a page. For another
order, the records of a rare condition (fewer than RARE) are collected and sorted; where all are common, the
table is walked in the order wanted. The database's own planner has no statistics to choose by.

Every value is a bind parameter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from conductor.records.search.index import Field, Index
from conductor.records.search.tree import (
    And,
    Beyond,
    Everything,
    Not,
    Nothing,
    OneRecord,
    Or,
    Prefix,
    Span,
    Tree,
    Word,
)
from conductor.records.search.words import bucket, number_word
from conductor.records.tables import terms

RARE = 4096
"""Records that are collected and sorted without a second thought: some milliseconds."""

Condition = sa.ColumnElement[bool]

_NO_BOUND = 2**31 - 1
_LAST = "\U0010ffff"
"""Sorts after every character that a word can have."""


@dataclass(frozen=True, slots=True)
class _Source:
    """Where records come from, their ID there, and the conditions on them."""

    rows: Any
    record: sa.ColumnElement[str]
    conditions: list[Condition]


@dataclass(frozen=True, slots=True)
class Lead:
    """The conditions to start from, rarest first, and whether the first is rare."""

    leaders: tuple[Tree, ...]
    rare: bool

    @property
    def collected(self) -> Tree | None:
        return self.leaders[0] if self.rare else None

    @property
    def word(self) -> Word | None:
        """The rarest word, unless something else is rare and this is not."""
        if self.rare and not isinstance(self.leaders[0], Word):
            return None
        return next((leader for leader in self.leaders if isinstance(leader, Word)), None)


class Plan:
    """SQL for the queries on one table."""

    def __init__(self, index: Index, table: sa.Table) -> None:
        self._index = index
        self._table = table
        self._key: sa.ColumnElement[str] = next(iter(table.primary_key))
        beside = [index for index in table.indexes if next(iter(index.columns)) is self._key]
        self._narrowly = f"INDEXED BY {beside[0].name}" if beside else ""

    def leaders(self, tree: Tree) -> list[Tree]:
        """The conditions that every match meets and whose records the database can list."""
        return [
            part
            for part in _parts(tree)
            if isinstance(part, Word | Prefix | OneRecord | Span) or _one_field(part)
        ]

    def estimate(self, leaders: Sequence[Tree]) -> sa.Select[Any]:
        """One row: for each leader the number of its records, counted up to RARE."""
        counts = []
        for leader in leaders:
            some = self._records_of(leader).limit(RARE).subquery()
            counts.append(sa.select(sa.func.count()).select_from(some).scalar_subquery())
        return sa.select(*counts)

    def count(self, tree: Tree, lead: Lead) -> sa.Select[Any]:
        """How many records match."""
        spans = any(isinstance(leader, Span) for leader in lead.leaders)
        if lead.word and (lead.rare or not spans):
            source = self._listed(tree, lead.word)
        elif lead.collected:
            source = self._collected(tree, lead.collected)
        else:
            source = self._walked(tree, None)
        return sa.select(sa.func.count()).select_from(source.rows).where(*source.conditions)

    def page(
        self,
        tree: Tree,
        lead: Lead,
        sort: str | None,
        descending: bool,
        offset: int,
        limit: int,
        *,
        counted: bool = False,
    ) -> sa.Select[Any]:
        """The IDs of one page in order. `sort`: a column; None is the ID, by which equal ones go too.

        `counted`: each row tells as well how many match in all; no row, and nothing is told.
        """
        if sort is None and lead.word:
            source = self._listed(tree, lead.word)
        elif lead.collected:
            source = self._collected(tree, lead.collected)
        else:
            source = self._walked(tree, sort or "")
        rows, order = source.rows, [source.record]
        if sort is not None:
            order.insert(0, self._table.c[sort])
            if rows is not self._table:
                rows = rows.join(self._table, self._key == source.record)
        found: sa.Select[Any] = sa.select(source.record.label("id"))
        if counted:
            found = found.add_columns(sa.func.count().over().label("total"))
        if rows is not source.rows:
            found = self._narrow(found, self._table)
        return (
            found.select_from(rows)
            .where(*source.conditions)
            .order_by(*(column.desc() if descending else column for column in order))
            .limit(limit)
            .offset(offset)
        )

    def words(self, field: str, tree: Tree) -> sa.Select[Any]:
        """Rows (word, number of records that meet `tree`, one of those) of a field's words."""
        listed = terms.alias()
        return (
            sa.select(listed.c.word, sa.func.count(), sa.func.max(listed.c.record))
            .where(
                listed.c.index_name == self._index.name,
                listed.c.field == field,
                *(self._condition(part, listed.c.record) for part in _parts(tree)),
            )
            .group_by(listed.c.word)
            .order_by(listed.c.word)
        )

    def _collected(self, tree: Tree, rare: Tree) -> _Source:
        # The bound keeps the database from merging the two queries and choosing by itself.
        found = self._records_of(rare).limit(_NO_BOUND).subquery()
        rest = [part for part in _parts(tree) if part is not rare]
        return _Source(found, found.c[0], [self._condition(part, found.c[0]) for part in rest])

    def _listed(self, tree: Tree, word: Word) -> _Source:
        """The records of one word, in ID order."""
        listed = terms.alias()
        rest = [self._condition(part, listed.c.record) for part in _parts(tree) if part is not word]
        return _Source(listed, listed.c.record, [*self._is_word(listed, word.field, [word.word]), *rest])

    def _walked(self, tree: Tree, order: str | None) -> _Source:
        """The table itself; with `order`, no other column's index may lead elsewhere."""
        conditions = [
            self._span(part, field.column, unindexed=order is not None and field.column != order)
            if isinstance(part, Span) and (field := self._index.fields[part.field]).column
            else self._condition(part, self._key)
            for part in _parts(tree)
        ]
        return _Source(self._table, self._key, conditions)

    def _records_of(self, leader: Tree) -> sa.Select[Any]:
        """The IDs of the records that meet `leader`, each once."""
        match leader:
            case OneRecord(id):
                return sa.select(self._key).where(self._key == id)
            case Span(name) if column := self._index.fields[name].column:
                return sa.select(self._key).where(self._span(leader, column))
            case Span(name):
                listed = terms.alias()
                return sa.select(listed.c.record).where(*self._is_number(listed, leader))
            case Word(name, word):
                listed = terms.alias()
                return sa.select(listed.c.record).where(*self._is_word(listed, name, [word]))
            case Prefix():
                listed = terms.alias()
                return sa.select(listed.c.record).where(*self._begins(listed, leader)).distinct()
            case Or(parts):
                listed = terms.alias()
                words = [part.word for part in parts if isinstance(part, Word)]
                name = next(part.field for part in parts if isinstance(part, Word))
                return sa.select(listed.c.record).where(*self._is_word(listed, name, words)).distinct()
        raise TypeError(f"{leader} leads nowhere")

    def _condition(self, tree: Tree, record: sa.ColumnElement[str]) -> Condition:
        """Whether the record with this ID meets `tree`."""
        match tree:
            case Everything():
                return sa.true()
            case Nothing():
                return sa.false()
            case And(parts):
                return sa.and_(*(self._condition(part, record) for part in parts))
            case Or(parts) if not _one_field(tree):
                return sa.or_(*(self._condition(part, record) for part in parts))
            case Not(part):
                return sa.not_(self._condition(part, record))
            case OneRecord(id):
                return record == id
            case Span(name) if column := self._index.fields[name].column:
                table = self._table.alias()
                key = next(iter(table.primary_key))
                conditions = [self._span(tree, column, table=table), key == record]
                one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(table).where(*conditions)
                return sa.exists(self._narrow(one, table))
            case Span():
                listed = terms.alias()
                return self._exists(listed, self._is_number(listed, tree), record)
            case Word(name, word):
                listed = terms.alias()
                return self._exists(listed, self._is_word(listed, name, [word]), record)
            case Prefix():
                listed = terms.alias()
                return self._exists(listed, self._begins(listed, tree), record)
            case Beyond(id, descending):
                return record < id if descending else record > id
            case Or(parts):
                listed = terms.alias()
                words = [part.word for part in parts if isinstance(part, Word)]
                name = next(part.field for part in parts if isinstance(part, Word))
                return self._exists(listed, self._is_word(listed, name, words), record)

    def _narrow(self, select: sa.Select[Any], table: Any) -> sa.Select[Any]:
        """Look numbers up by ID where they lie close together, not beside the documents: SQLite alone would."""
        return select.with_hint(table, self._narrowly, "sqlite") if self._narrowly else select

    @staticmethod
    def _exists(listed: Any, conditions: list[Condition], record: sa.ColumnElement[str]) -> Condition:
        one: sa.Select[Any] = sa.select(sa.literal_column("1")).select_from(listed)
        return sa.exists(one.where(*conditions, listed.c.record == record))

    def _is_word(self, listed: Any, field: str, words: list[str]) -> list[Condition]:
        word = listed.c.word
        return [
            listed.c.index_name == self._index.name,
            listed.c.field == field,
            word == words[0] if len(words) == 1 else word.in_(words),
        ]

    def _begins(self, listed: Any, prefix: Prefix) -> list[Condition]:
        return [
            listed.c.index_name == self._index.name,
            listed.c.field == prefix.field,
            listed.c.word >= prefix.start,
            listed.c.word < prefix.start + _LAST,
        ]

    def _is_number(self, listed: Any, span: Span) -> list[Condition]:
        field = self._index.fields[span.field]
        conditions = [listed.c.index_name == self._index.name, listed.c.field == field.name]
        if span.start is not None:
            conditions.append(listed.c.word >= _number(span.start, field))
        if span.end is not None:
            conditions.append(listed.c.word < _number(span.end, field))
        return conditions

    def _span(self, span: Span, column: str, *, table: Any = None, unindexed: bool = False) -> Condition:
        number = (self._table if table is None else table).c[column]
        if unindexed:
            number = number + 0
        conditions = []
        if span.start is not None:
            conditions.append(number >= span.start)
        if span.end is not None:
            conditions.append(number < span.end)
        return sa.and_(sa.true(), *conditions)


def _parts(tree: Tree) -> Sequence[Tree]:
    return tree.parts if isinstance(tree, And) else () if isinstance(tree, Everything) else (tree,)


def _one_field(tree: Tree) -> bool:
    """Whether it is any of several words of one field."""
    if not isinstance(tree, Or) or not all(isinstance(part, Word) for part in tree.parts):
        return False
    return len({part.field for part in tree.parts if isinstance(part, Word)}) == 1


def _number(value: int, field: Field) -> str:
    return number_word(bucket(value, field.divide))
