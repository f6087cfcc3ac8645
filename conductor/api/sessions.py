"""Log in, log out, resume a session. Contract api/users.yaml, access.md §2.1 and §3.

These calls live under /api/user, where every answer is HTTP 200.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any
from urllib.parse import quote

import msgspec

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Session, key_of
from conductor.access.users import brief, normalised, public
from conductor.access.visibility import KINDS, listed
from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.credentials import EXPIRED, session_cookie
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.kernel import Leadership
from conductor.definitions.repository import Definitions
from conductor.errors import NoSession, Refusal
from conductor.signals import Actor
from shared.clock import now

Live = Callable[[Account], Mapping[str, Any]]
"""What is happening now and the caller may see: activeJobs, servers, activeAlerts, state, stats…"""


class Login(msgspec.Struct, kw_only=True):
    username: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_\-.]+$(?!\n)")]
    password: Annotated[str, msgspec.Meta(min_length=1)]
    code: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Of a second factor, or one for recovery; asked for by a refusal with code `mfa`."""


def endpoints(
    accounts: Accounts,
    definitions: Definitions,
    signals: Signals,
    leadership: Leadership,
    live: Live = lambda account: {},
    security: SecurityLog | None = None,
    logout_url: str = "",
) -> tuple[Endpoint[Any], ...]:
    return SessionCalls(accounts, definitions, signals, leadership, live, security, logout_url).endpoints()


class SessionCalls:
    """The session endpoints. `live` adds the running state to what a login returns."""

    def __init__(
        self,
        accounts: Accounts,
        definitions: Definitions,
        signals: Signals,
        leadership: Leadership,
        live: Live,
        security: SecurityLog | None,
        logout_url: str,
    ) -> None:
        self._accounts = accounts
        self._definitions = definitions
        self._signals = signals
        self._leadership = leadership
        self._live = live
        self._security = security
        self._logout_url = logout_url

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
        """Raises Refusal `login`; one text for an unknown user and a wrong password. `mfa`: a code is needed.

        Who may only set up a second factor is told so by `mfa_setup`, and nothing of the house.
        """
        self._require_primary()
        session_id, session, user = await self._accounts.log_in(
            params.username,
            params.password,
            call.ip,
            call.useragent,
            _stranger(call),
            code=params.code.strip(),
        )
        await self.begun(call, session_id, user, _stranger(call, user["username"]))
        return self._payload(session, user, session_id)

    async def begun(self, call: Call, session_id: str, user: Json, actor: Actor) -> None:
        """A session was opened: its cookie, its row in the security log."""
        key = key_of(session_id)
        if self._security is not None:
            await self._security.add(user["username"], "user_login", actor, user=brief(user), session_id=key)
        self._set_cookie(call, session_id)

    async def logout(self, call: Call, params: NoParams) -> Json:
        self._require_primary()
        if call.request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise NoSession("Another site cannot log you out")
        session_id = call.credentials.session_id
        session = await self._accounts.sessions.get(session_id) if session_id else None
        if session is not None:
            await self._accounts.sessions.end(session_id, _stranger(call, session.username))
        call.headers["Set-Cookie"] = EXPIRED
        return {"redirect": self._redirect(call)} if self._logout_url else {}

    def _redirect(self, call: Call) -> str:
        """Where the identity provider ends its own session."""
        bearer = call.request.headers.get("Authorization", "").removeprefix("Bearer").strip()
        return self._logout_url.replace("[id_token_hint]", quote(bearer, safe=""))

    async def resume(self, call: Call, params: NoParams) -> Json:
        """Without a session credential just `code` 0; with a bad one `session`, and the cookie expires."""
        self._require_primary()
        session_id = call.credentials.session_id
        if not session_id:
            return {}
        session = await self._accounts.sessions.get(session_id)
        if session is None:
            call.headers["Set-Cookie"] = EXPIRED
            raise NoSession("Session has expired or is invalid.")
        user = self._accounts.users.get(session.username)
        if user is None:
            raise Refusal("login", f"User not found: {session.username}")
        if not user.get("active"):
            raise Refusal("login", f"User account is disabled: {session.username}")
        if session.ip == call.ip:  # where he has been before, he is known
            self._accounts.attempts.succeeded(call.ip, normalised(session.username))
        if self._accounts.locked(user, call.ip):
            raise Refusal("login", "Account is locked out. Please reset your password to unlock it.")
        self._set_cookie(call, session_id)
        return self._payload(session, user, session_id)

    def _require_primary(self) -> None:
        if not self._leadership.primary:
            raise Refusal("login", "Failed to login: Non-primary servers cannot log in users")

    def _set_cookie(self, call: Call, session_id: str) -> None:
        call.headers["Set-Cookie"] = session_cookie(
            session_id, self._accounts.sessions.max_age, secure=call.secure
        )

    def _payload(self, session: Session, user: Json, session_id: str) -> Json:
        account = self._accounts.of_user(user, session_id)
        own: Json = {
            "username": session.username,
            "user": public(user),
            "csrf_token": session.csrf_token,
            "epoch": now(),
        }
        if self._accounts.must_enrol(session, user):
            return {**own, "mfa_setup": True}
        return {
            **own,
            **self._lists(account),
            "users": self._accounts.users.stubs(),
            **self._live(account),
        }

    def _lists(self, account: Account) -> Json:
        """Every list of definitions as the account may know it; the browser expects each, empty or not."""
        known = self._definitions.kinds
        lists: Json = {
            kind: listed(account, kind, self._definitions.all(kind)) if kind in known else []
            for kind in KINDS
        }
        return {**lists, "sounds": []}


def _stranger(call: Call, username: str = "") -> Actor:
    """Who calls without an account that the call was admitted by."""
    return Actor(kind="user", id=username, ips=call.ips, useragent=call.useragent, story=call.correlation_id)
