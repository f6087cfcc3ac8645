"""The accounts as tickets need them."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from conductor.outbound.addresses import is_address


class Accounts(Protocol):
    def get(self, username: str, /) -> Mapping[str, Any] | None: ...


class Everybody:
    """`People` and `Known` over the user accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def user(self, username: str, /) -> bool:
        return self._accounts.get(username) is not None

    def get(self, username: str, /) -> Mapping[str, Any] | None:
        return self._accounts.get(username)

    def emails_of(self, usernames: Iterable[str], /) -> list[str]:
        """Addresses of existing, active users, once each."""
        found: list[str] = []
        for username in usernames:
            user = self._accounts.get(username)
            if user and user.get("active") and is_address(str(user.get("email", ""))):
                found.append(str(user["email"]))
        return list(dict.fromkeys(found))
