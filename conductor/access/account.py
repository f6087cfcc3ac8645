"""Who is calling, and what that caller may see and do. Contract api/README.md §7, access.md §4 and §6."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from conductor.access.privileges import ADMIN, title
from conductor.access.sessions import key_of
from conductor.errors import AccessDenied
from conductor.records.search.restriction import Restriction
from conductor.signals import Actor

_PREFIX = "You do not have the required account privileges to access"


@dataclass(frozen=True, slots=True)
class Account:
    """A user or an API key with its effective rights: its own and those of its enabled roles.

    Empty `categories` or `groups` mean no limit; for an administrator they are always empty.
    """

    kind: Literal["user", "api_key", ""]
    name: str
    """The username, or the key's ID: what is stored wherever an acting user is."""
    title: str
    privileges: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    session_id: str = ""

    @property
    def session_key(self) -> str:
        """What stands for the session in records and logs; empty without one."""
        return key_of(self.session_id) if self.session_id else ""

    @property
    def admin(self) -> bool:
        return ADMIN in self.privileges

    def may(self, privilege: str) -> bool:
        return privilege in self.privileges or ADMIN in self.privileges

    def require(self, privilege: str) -> None:
        """Raise AccessDenied, naming the privilege's title, unless the caller holds it."""
        if not self.may(privilege):
            who = f'API Key "{self.title}" does' if self.kind == "api_key" else "You do"
            raise AccessDenied(
                f'{who} not have the "{title(privilege)}" privilege required to perform this action.'
            )

    def require_admin(self) -> None:
        self.require(ADMIN)

    def sees_category(self, category_id: object) -> bool:
        return not self.categories or category_id in self.categories

    def sees_groups(self, groups: Iterable[object]) -> bool:
        """Whether any of an item's groups is allowed; without groups it is hidden from the limited."""
        return not self.groups or any(group in self.groups for group in groups)

    def sees_targets(self, targets: object) -> bool:
        """An empty target list passes (workflows); IDs of servers alone never grant access."""
        if not self.groups or not targets:
            return True
        return isinstance(targets, list | tuple) and any(target in self.groups for target in targets)

    def sees_event(self, event: Mapping[str, Any]) -> bool:
        """Category allowed, and a workflow or any target allowed."""
        if not self.categories and not self.groups:
            return True
        return self.sees_category(event.get("category")) and (
            event.get("type") == "workflow" or self.sees_targets(event.get("targets"))
        )

    def sees_job(self, job: Mapping[str, Any]) -> bool:
        """As for its event: a job carries its event's category, type and targets."""
        return self.sees_event(job)

    def require_category(self, category_id: str) -> None:
        if not self.sees_category(category_id):
            raise AccessDenied(f"{_PREFIX} category ID {category_id}.")

    def require_group(self, group_id: str) -> None:
        if not self.sees_groups((group_id,)):
            raise AccessDenied(f"{_PREFIX} group ID {group_id}.")

    def require_groups(self, groups: Iterable[str]) -> None:
        """Any of an item's groups suffices."""
        listed = list(groups)
        if not self.sees_groups(listed):
            raise AccessDenied(f"{_PREFIX} group ID {', '.join(map(str, listed)) or '(none)'}.")

    def require_targets(self, targets: Iterable[str]) -> None:
        listed = list(targets)
        if not self.sees_targets(listed):
            raise AccessDenied(f"{_PREFIX} targets: {', '.join(map(str, listed))}.")

    def require_added_targets(self, targets: Iterable[str], known: Iterable[str]) -> None:
        """Whoever is limited to groups runs nothing on others that the event does not name itself."""
        self.require_targets(listed := list(targets))
        for target in sorted(set(listed) - set(known)):
            self.require_group(target)

    def require_event(self, event: Mapping[str, Any]) -> None:
        """Raise AccessDenied, naming the category or the targets that are out of reach."""
        self.require_category(event.get("category", ""))
        if event.get("type") != "workflow":
            self.require_targets(event.get("targets") or ())

    def require_job(self, job: Mapping[str, Any]) -> None:
        self.require_event(job)

    @property
    def limited(self) -> bool:
        return bool(self.categories or self.groups)

    def restriction(self) -> Restriction | None:
        """The limits as a condition of a search; None for an unlimited caller."""
        return Restriction(self.categories, self.groups) if self.limited else None

    def actor(self, ips: Iterable[str] = (), useragent: str = "", story: str = "") -> Actor:
        return Actor(
            kind=self.kind or "system", id=self.name, ips=tuple(ips), useragent=useragent, story=story
        )


NOBODY = Account(
    kind="", name="", title="", categories=frozenset({""}), groups=frozenset({""})
)  # limits that match nothing: an endpoint without credentials sees no resource by accident
