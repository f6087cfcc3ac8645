"""Log in, log out, resume a session. Contract api/users.yaml, access.md §2.1 and §3.

These calls live under /api/user, where every answer is HTTP 200.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.sessions import Session
from conductor.access.users import public, stub
from conductor.api.call import Call, Json
from conductor.api.credentials import COOKIE
from conductor.api.definitions import visible
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.kernel import Leadership
from conductor.definitions.kinds import KINDS
from conductor.definitions.repository import Definitions
from conductor.errors import NoSession, Refusal
from conductor.signals import Actor, Signals, UserLoggedIn
from shared.clock import now

_EXPIRED = f"{COOKIE}=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax"
_LISTS = (
    "groups",
    "monitors",
    "alerts",
    "categories",
    "channels",
    "web_hooks",
    "buckets",
    "events",
    "plugins",
    "tags",
    "roles",
)

Live = Callable[[Account], Mapping[str, Any]]
"""What is happening now and the caller may see: activeJobs, servers, activeAlerts, state, stats…"""


class Login(msgspec.Struct, kw_only=True):
    username: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_\-.]+$(?!\n)")]
    password: Annotated[str, msgspec.Meta(min_length=1)]


def endpoints(
    accounts: Accounts,
    definitions: Definitions,
    signals: Signals,
    leadership: Leadership,
    live: Live = lambda account: {},
) -> tuple[Endpoint[Any], ...]:
    return SessionCalls(accounts, definitions, signals, leadership, live).endpoints()


class SessionCalls:
    """The session endpoints. `live` adds the running state to what a login returns."""

    def __init__(
        self,
        accounts: Accounts,
        definitions: Definitions,
        signals: Signals,
        leadership: Leadership,
        live: Live,
    ) -> None:
        self._accounts = accounts
        self._definitions = definitions
        self._signals = signals
        self._leadership = leadership
        self._live = live

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        common: dict[str, Any] = {"namespace": "user", "auth": Auth.NONE, "primary_only": False}
        return (
            Endpoint(
                "login",
                self.login,
                Login,
                "Start a session",
                methods=("POST",),
                takes=Takes.BODY,
                **common,
            ),
            Endpoint("logout", self.logout, NoParams, "End the session", takes=Takes.NONE, **common),
            Endpoint(
                "resume_session",
                self.resume,
                NoParams,
                "What a login returns, for a session that is still good",
                takes=Takes.NONE,
                **common,
            ),
        )

    async def login(self, call: Call, params: Login) -> Json:
        """Raises Refusal `login`; one text for an unknown user and a wrong password."""
        self._require_primary()
        session_id, session, user = await self._accounts.log_in(
            params.username, params.password, call.ip, call.useragent
        )
        actor = Actor(kind="user", id=user["username"], ips=call.ips, useragent=call.useragent)
        self._signals.publish(
            UserLoggedIn(actor=actor, correlation_id=call.correlation_id, username=user["username"])
        )
        self._set_cookie(call, session_id)
        return self._payload(session, user, session_id)

    async def logout(self, call: Call, params: NoParams) -> Json:
        self._require_primary()
        session_id = call.credentials.session_id
        if session_id and await self._accounts.sessions.get(session_id) is not None:
            await self._accounts.sessions.end(session_id)
        call.headers["Set-Cookie"] = _EXPIRED
        return {}

    async def resume(self, call: Call, params: NoParams) -> Json:
        """Without a session credential just `code` 0; with a bad one `session`, and the cookie expires."""
        self._require_primary()
        session_id = call.credentials.session_id
        if not session_id:
            return {}
        session = await self._accounts.sessions.get(session_id)
        if session is None:
            call.headers["Set-Cookie"] = _EXPIRED
            raise NoSession("Session has expired or is invalid.")
        user = self._accounts.users.get(session.username)
        if user is None:
            raise Refusal("login", f"User not found: {session.username}")
        if not user.get("active"):
            raise Refusal("login", f"User account is disabled: {session.username}")
        if user.get("force_password_reset"):
            raise Refusal("login", "Account is locked out. Please reset your password to unlock it.")
        self._set_cookie(call, session_id)
        return self._payload(session, user, session_id)

    def _require_primary(self) -> None:
        if not self._leadership.primary:
            raise Refusal("login", "Failed to login: Non-primary servers cannot log in users")

    def _set_cookie(self, call: Call, session_id: str) -> None:
        secure = "; Secure" if call.secure else ""
        call.headers["Set-Cookie"] = (
            f"{COOKIE}={session_id}; Max-Age={self._accounts.sessions.max_age}; Path=/{secure}"
            "; HttpOnly; SameSite=Lax"
        )

    def _payload(self, session: Session, user: Json, session_id: str) -> Json:
        account = self._accounts.of_user(user, session_id)
        return {
            "username": session.username,
            "user": public(user),
            "csrf_token": session.csrf_token,
            "epoch": now(),
            **self._lists(account),
            "users": [stub(one) for one in self._accounts.users.all()],
            **self._live(account),
        }

    def _lists(self, account: Account) -> Json:
        """Every list of definitions; the browser expects each of them, empty or not."""
        lists: Json = {
            kind: visible(self._definitions, kind, account) if kind in KINDS else [] for kind in _LISTS
        }
        keys = self._definitions.all("api_keys")
        lists["api_keys"] = (
            [{**key, "key": "REDACTED"} for key in keys]
            if account.admin
            else [{"id": key["id"], "title": key.get("title", "")} for key in keys]
        )
        return {**lists, "secrets": [], "sounds": []}
