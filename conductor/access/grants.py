"""Nobody can grant what he has not: the door against making oneself an administrator. Pure.

Contract access.md, "Where to be better" 5. Administrators may grant everything.
"""

from collections.abc import Mapping
from typing import Any

from conductor.access.account import Account
from conductor.access.privileges import granted, title
from conductor.errors import AccessDenied


def require_role_change(
    account: Account, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> None:
    """Raise AccessDenied unless `account` may turn the role `before` into `after`; None is no role.

    What the role newly gives its holders, the caller must hold. A caller with limits may touch no role:
    taking a category from one could lift the caller's own.
    """
    if account.admin:
        return
    if account.limited:
        raise AccessDenied("Only accounts without category and group limits can change roles.")
    # A disabled role counts as it will be: whoever enables it later may not read it first.
    for privilege in sorted(granted((after or {}).get("privileges")) - _given(before)):
        if not account.may(privilege):
            raise AccessDenied(
                f'You cannot grant the "{title(privilege)}" privilege, which you do not have yourself.'
            )


def _given(role: Mapping[str, Any] | None) -> frozenset[str]:
    """The privileges that a role gives its holders now: those of a disabled one are none."""
    return granted(role.get("privileges")) if role and role.get("enabled") else frozenset()
