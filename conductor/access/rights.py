"""Effective rights: what a user or a key holds, itself and through its enabled roles (access.md §4)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from conductor.access.privileges import ADMIN, granted


class Catalogue(Protocol):
    """What access needs of the definitions: the kinds `api_keys` and `roles`."""

    def all(self, kind: str) -> Sequence[dict[str, Any]]: ...

    def version(self, kind: str) -> int: ...


class Roles:
    """The roles, where the definitions know that kind; else there are none."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue: Catalogue | None = catalogue
        try:
            catalogue.version("roles")
        except KeyError:
            self._catalogue = None

    def all(self) -> Sequence[Mapping[str, Any]]:
        return self._catalogue.all("roles") if self._catalogue else ()

    @property
    def version(self) -> int:
        return self._catalogue.version("roles") if self._catalogue else 0


def effective(
    holder: Mapping[str, Any], roles: Iterable[Mapping[str, Any]]
) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Privileges, categories and groups of `holder`; the two limits are empty for an administrator."""
    privileges = granted(holder.get("privileges"))
    categories = _ids(holder, "categories")
    groups = _ids(holder, "groups")
    assigned = _ids(holder, "roles")
    if assigned:
        for role in roles:
            if role.get("id") in assigned and role.get("enabled"):
                privileges |= granted(role.get("privileges"))
                categories |= _ids(role, "categories")
                groups |= _ids(role, "groups")
    if ADMIN in privileges:
        return privileges, frozenset(), frozenset()
    return privileges, categories, groups


def _ids(holder: Mapping[str, Any], key: str) -> frozenset[str]:
    listed = holder.get(key)
    return (
        frozenset(one for one in listed if isinstance(one, str)) if isinstance(listed, list) else frozenset()
    )
