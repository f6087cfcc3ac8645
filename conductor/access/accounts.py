"""From credentials to an account, and from a password to a session. Contract access.md §2.1, §3.2-§3.6."""

import asyncio
from dataclasses import dataclass

from conductor.access.account import Account
from conductor.access.keys import ApiKeys
from conductor.access.rights import Catalogue, Roles, effective
from conductor.access.sessions import Session, Sessions
from conductor.access.users import Json, Users
from conductor.errors import NoSession, Refusal
from conductor.settings import Settings
from shared.clock import now
from shared.protocol.tokens import matches

_CACHED = 2_000
_VAGUE = "Username or password incorrect."  # one text for both: it must not tell which accounts exist


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows. Empty means absent; a session ID outranks an API key."""

    session_id: str = ""
    api_key: str = ""
    csrf_token: str = ""
    by_cookie: bool = False
    """The session ID came as a cookie, which a browser sends without being asked."""


class Accounts:
    """Answers who is calling. Sessions and keys are looked up in memory where possible."""

    def __init__(self, users: Users, sessions: Sessions, catalogue: Catalogue, settings: Settings) -> None:
        self.users = users
        self.sessions = sessions
        self.keys = ApiKeys(catalogue)
        self._roles = Roles(catalogue)
        self._max_failed_logins = settings.User.max_failed_logins_per_hour
        self._use_csrf = settings.User.use_csrf
        self._accounts: dict[str, Account] = {}
        self._versions = (-1, -1)
        self._counting = asyncio.Lock()

    async def authenticate(self, credentials: Credentials, *, safe_method: bool) -> Account:
        """The account behind `credentials`, alive and within its rate.

        Raises NoSession (none, unknown, expired, wrong CSRF token of a request that is not a GET or HEAD,
        or a disabled user), Refusal `user` (the session's user is gone) or `rate`.
        """
        if credentials.session_id:
            session = await self.sessions.get(credentials.session_id)
            if session is None:
                raise NoSession("Session has expired or is invalid.")
            if not safe_method:
                self.check_csrf(session, credentials.csrf_token)
            return self.of_session(session, credentials.session_id)
        if credentials.api_key:
            return self.keys.account(credentials.api_key)
        raise NoSession

    async def api_key(self, plain: str) -> Account | None:
        """The account of an API key given outside the usual places; None for a bad one. Counts the call."""
        try:
            return self.keys.account(plain)
        except NoSession:
            return None

    def check_csrf(self, session: Session, token: str) -> None:
        if self._use_csrf and session.csrf_token and not matches(token, session.csrf_token):
            raise NoSession("Invalid session")

    def of_session(self, session: Session, session_id: str) -> Account:
        """The account of a valid session's user, who must exist and be active."""
        user = self.users.get(session.username)
        if user is None:
            raise Refusal("user", f"User not found: {session.username}")
        if not user.get("active"):
            raise NoSession(f"User account is disabled: {session.username}")
        versions = (self.users.version, self._roles.version)
        if versions != self._versions:
            self._accounts.clear()
            self._versions = versions
        account = self._accounts.get(session_id)
        if account is None:
            account = self.of_user(user, session_id)
            if len(self._accounts) >= _CACHED:
                del self._accounts[next(iter(self._accounts))]
            self._accounts[session_id] = account
        return account

    def of_user(self, user: Json, session_id: str = "") -> Account:
        privileges, categories, groups = effective(user, self._roles.all())
        return Account(
            kind="user",
            name=user["username"],
            title=user["username"],
            privileges=privileges,
            categories=categories,
            groups=groups,
            session_id=session_id,
        )

    async def log_in(
        self, username: str, password: str, ip: str, useragent: str
    ) -> tuple[str, Session, Json]:
        """A new session's ID, the session and its user. Raises Refusal `login`.

        The password is always hashed first, whatever the account, so that timing tells nothing.
        """
        user = self.users.get(username)
        stored = str(user.get("password", "")) if user else ""
        right = await self.users.passwords.verify(password, stored, str(user.get("salt", "")) if user else "")
        user = self.users.get(username)  # it may have changed meanwhile
        if user is None:
            raise Refusal("login", _VAGUE)
        if user.get("force_password_reset"):
            raise Refusal("login", "Account is locked out. Please reset your password to unlock it.")
        if not right:
            await self._count_failure(username)
            raise Refusal("login", _VAGUE)
        if not user.get("active"):
            raise Refusal("login", f"User account is disabled: {user['username']}")
        session_id, session = await self.sessions.open(user["username"], ip, useragent)
        return session_id, session, user

    async def _count_failure(self, username: str) -> None:
        async with self._counting:  # parallel guesses must each count
            user = self.users.get(username)
            if user is not None:
                await self.users.save(self._failed(user))

    def _failed(self, user: Json) -> Json:
        """`user` with one more failed login in this clock hour; beyond the limit it is locked."""
        hour = int(now() // 3600)
        count = user.get("fl_count", 0) + 1 if user.get("fl_date_code") == hour else 1
        changed = {**user, "fl_date_code": hour, "fl_count": count}
        if count > self._max_failed_logins:
            changed["force_password_reset"] = 1
        return changed
