"""What a limited caller may find: a condition of its own beside the query, never part of its text."""

from dataclasses import dataclass

from conductor.records.search.index import Index
from conductor.records.search.tree import Tree, Word, conjunction, disjunction
from conductor.records.search.words import words


@dataclass(frozen=True, slots=True)
class Restriction:
    """IDs that the caller is limited to; an empty set is no limit (contract api/README.md §7.2)."""

    categories: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


def restricted(tree: Tree, index: Index, restriction: Restriction | None) -> Tree:
    """`tree` within `restriction`, as far as the index has categories and groups.

    Workflow jobs run on no server and have no groups: a limit of groups does not hide them.
    """
    if restriction is None:
        return tree
    limits = [tree]
    if restriction.categories and "category" in index.fields:
        limits.append(disjunction(_ids(index, "category", restriction.categories)))
    if restriction.groups and "groups" in index.fields:
        groups = _ids(index, "groups", restriction.groups)
        if "type" in index.fields:
            groups.append(Word("type", "workflow"))
        limits.append(disjunction(groups))
    return conjunction(limits)


def _ids(index: Index, name: str, ids: frozenset[str]) -> list[Tree]:
    field = index.fields[name]
    found = (words(value, field) for value in sorted(ids))
    return [conjunction(Word(name, word) for word in parts) for parts in found if parts]
