"""What a kind of definition is: names, order, and the rules that are its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from conductor.definitions.json_values import Json
from conductor.definitions.writer import Writer


class Library(Protocol):
    """The definitions as validation reads them."""

    def all(self, kind: str) -> Sequence[Json]: ...

    def get(self, kind: str, id: str) -> Json | None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """What a rule may look at besides the document: other definitions, the caller, running jobs."""

    library: Library
    by: Writer
    active_jobs: Callable[[str], int]
    """How many jobs of an event are in the book, in any state."""


def _nothing_once(doc: Json, context: Context) -> Mapping[str, Any]:
    return {}


def _no_change(stored: Json, changes: Json, context: Context) -> None: ...


def _always(doc: Json, context: Context) -> None: ...


def _anybody(context: Context) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind. The rules raise Refusals and nothing else; they may set top-level properties of the
    documents that they are given, which are the repository's own shallow copies, and never change what
    lies deeper."""

    plural: str
    singular: str
    prefix: str
    code: str
    """Code of refusals that concern an item: duplicate, not found, in use."""
    unknown_code: str = ""
    """Code when an update names an unknown item, where it is not `code`."""
    privilege: str = ""
    """Noun in create_…, edit_… and delete_…; empty: administrators only."""
    sort_ordered: bool = False
    newest_first: bool = False
    generated_id: bool = False
    """A client's ID is overwritten on create."""
    state_under: str = ""
    """Global state of an item lives under this word and goes with the item."""
    takes_state: bool = False
    """`update_state` in a request is written to the item's state instead of the item."""
    revision_locked: bool = False
    """An update that carries a revision other than the stored one is refused."""
    never_stored: frozenset[str] = frozenset()
    """Request keys that are dropped."""
    fixed: frozenset[str] = frozenset()
    """Properties that an update cannot change, besides those of every kind."""
    apart: frozenset[str] = frozenset()
    """Properties that rules look at and that are then kept in a store of their own (`repository.Apart`)."""
    locks_on_delete: tuple[str, ...] = ()
    """Other kinds that must stand still while an item is deleted: `guard_delete` looks at them, or what they
    say of the item is taken back with it (`references.released`)."""
    prepare: Callable[[Json, Context], Mapping[str, Any]] = _nothing_once
    """Validates and completes a new document; returns what is shown once and never stored."""
    revise: Callable[[Json, Json, Context], None] = _no_change
    """Validates and completes (stored, changes)."""
    authorise: Callable[[Json, Context], None] = _always
    """The caller may touch this document; asked of the old and the new state."""
    authorise_delete: Callable[[Json, Context], None] | None = None
    """The caller may delete this document, where that is not what `authorise` says."""
    authorise_all: Callable[[Context], None] = _anybody
    """The caller may reorder the whole list."""
    guard_delete: Callable[[Json, Context], None] = _always
