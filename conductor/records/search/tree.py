"""A query as a tree of frozen values: what the parsers make and the finder runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from conductor.errors import Refusal


class SearchError(Refusal):
    """A query that cannot be run: code `db`. `reason` alone is for callers with another code."""

    def __init__(self, reason: str) -> None:
        super().__init__("db", f"Failed DB search: {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Everything:
    pass


@dataclass(frozen=True, slots=True)
class Nothing:
    pass


@dataclass(frozen=True, slots=True)
class Word:
    field: str
    word: str


@dataclass(frozen=True, slots=True)
class Span:
    """A number or date from `start` up to, not including, `end`; None is open. In the record's own unit."""

    field: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class OneRecord:
    """`#id:ID`: it is an error when there is none."""

    id: str


@dataclass(frozen=True, slots=True)
class Prefix:
    """Words of `field` that begin with `start`."""

    field: str
    start: str


@dataclass(frozen=True, slots=True)
class Beyond:
    """Records after one in the order of IDs: where a reader goes on who has seen the others."""

    id: str
    descending: bool


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Tree", ...]


@dataclass(frozen=True, slots=True)
class Not:
    part: "Tree"


Tree = Everything | Nothing | Word | Prefix | Span | OneRecord | Beyond | And | Or | Not

EVERYTHING = Everything()
NOTHING = Nothing()


def conjunction(parts: Iterable[Tree]) -> Tree:
    """All of `parts`, flat: no And in an And, no Everything, Nothing alone."""
    flat: dict[Tree, None] = {}
    for part in parts:
        match part:
            case And(inner):
                flat.update(dict.fromkeys(inner))
            case Nothing():
                return NOTHING
            case Everything():
                pass
            case _:
                flat[part] = None
    kept = tuple(flat)
    return And(kept) if len(kept) > 1 else kept[0] if kept else EVERYTHING


def disjunction(parts: Iterable[Tree]) -> Tree:
    """Any of `parts`, flat."""
    flat: dict[Tree, None] = {}
    for part in parts:
        match part:
            case Or(inner):
                flat.update(dict.fromkeys(inner))
            case Everything():
                return EVERYTHING
            case Nothing():
                pass
            case _:
                flat[part] = None
    kept = tuple(flat)
    return Or(kept) if len(kept) > 1 else kept[0] if kept else NOTHING


def negation(part: Tree) -> Tree:
    match part:
        case Not(inner):
            return inner
        case Everything():
            return NOTHING
        case Nothing():
            return EVERYTHING
        case _:
            return Not(part)
