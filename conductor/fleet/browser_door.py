"""Who may open a browser's socket: the owner of a good session, from our own pages. Contract §10.1."""

import re
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

from aiohttp import web

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.sessions import key_of
from conductor.errors import Refusal
from conductor.fleet.connection import Connection
from conductor.settings import Settings

MOST_OF_ONE_USER = 100
MOST = 2_000
_COOKIE = re.compile(r"(?:^|;)\s*session_id=\"?([0-9a-f]{64})\"?\s*(?:;|$)")


class Leadership(Protocol):
    @property
    def primary(self) -> bool: ...

    @property
    def primary_host(self) -> str: ...


class BrowserDoor:
    """Answers `authenticate`."""

    def __init__(self, accounts: Accounts, leadership: Leadership, settings: Settings, version: str) -> None:
        self._accounts = accounts
        self._leadership = leadership
        self._own_host = urlsplit(settings.base_app_url).netloc.lower()
        self.version = version

    async def admit(
        self, connection: Connection, request: web.BaseRequest, there: int, of_user: Callable[[str], int]
    ) -> tuple[Account, str] | None:
        """The account and its session's key; None when refused, and then the browser has been told.

        Only the cookie counts. `there` browsers are logged in, `of_user` tells how many of one user.
        """
        if not self._leadership.primary:
            connection.send("retry", {"masterHost": self._leadership.primary_host})
            return None
        refusal = ""
        cookie = _COOKIE.search(request.headers.get("Cookie", ""))
        if connection.encoding.binary:
            refusal = "Browsers speak JSON"
        elif not self._is_ours(request):
            refusal = "This page is not ours"
        elif cookie is None:
            refusal = "No cookie found"
        else:
            try:
                return await self._account(cookie[1], there, of_user)
            except Refusal as error:
                refusal = error.description
        connection.send("auth_failure", {"description": refusal})
        return None

    async def _account(
        self, session_id: str, there: int, of_user: Callable[[str], int]
    ) -> tuple[Account, str]:
        session = await self._accounts.sessions.get(session_id)
        if session is None:
            raise Refusal("session", "Session has expired or is invalid.")
        account = self._accounts.of_session(session, session_id)
        if there >= MOST or of_user(account.name) >= MOST_OF_ONE_USER:
            raise Refusal("rate", "Too many browsers are connected")
        return account, key_of(session_id)

    def _is_ours(self, request: web.BaseRequest) -> bool:
        """Another site's page must not open a socket with our cookie."""
        origin = request.headers.get("Origin", "")
        if not origin:
            return True
        host = urlsplit(origin).netloc.lower()
        asked = (request.host or "").lower(), request.headers.get("X-Forwarded-Host", "").lower()
        return host == self._own_host or host in asked
