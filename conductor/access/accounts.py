"""From credentials to an account, and from a password to a session. Contract access.md §2.1, §3.2-§3.6."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from msgspec import structs

from conductor.access.account import Account
from conductor.access.attempts import Attempts
from conductor.access.factor_check import WRONG, FactorCheck
from conductor.access.keys import ApiKeys
from conductor.access.privileges import ADMIN
from conductor.access.rights import Catalogue, Roles, effective
from conductor.access.second_factor import MfaRefusal, active
from conductor.access.sessions import Session, Sessions
from conductor.access.users import Json, Users, brief, normalised
from conductor.announcer import Signals
from conductor.errors import NoSession, Refusal
from conductor.settings import Settings
from conductor.signals import Actor, EventRow, LoginRefused, Notice, UserLoggedIn
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
    address: str = ""
    """Of the client, as far as nobody can make it up; a key may be bound to addresses."""
    by_cookie: bool = False
    """The session ID came as a cookie, which a browser sends without being asked."""


class Accounts:
    """Answers who is calling. Sessions and keys are looked up in memory where possible."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        catalogue: Catalogue,
        settings: Settings,
        signals: Signals | None = None,
        factors: FactorCheck | None = None,
    ) -> None:
        """Without `factors` nobody who has a second factor can log in."""
        self.users = users
        self.sessions = sessions
        self.keys = ApiKeys(catalogue)
        self.roles = self._roles = Roles(catalogue)
        limits = settings.User
        self.attempts = Attempts(limits.max_failed_logins_per_hour, limits.max_failed_logins_per_address)
        self._wrong_keys = Attempts(
            limits.max_failed_keys_per_address, limits.max_failed_keys_per_address, 60
        )
        self._signals = signals
        self._factors = factors
        self._require_factor = limits.require_mfa
        self._max_failed_logins = settings.User.max_failed_logins_per_hour
        self._use_csrf = settings.User.use_csrf
        self._accounts: dict[str, Account] = {}
        self._versions = (-1, -1)

    async def authenticate(
        self, credentials: Credentials, *, safe_method: bool, enrolling: bool = False
    ) -> Account:
        """The account behind `credentials`, alive and within its rate.

        Raises NoSession (none, unknown, expired, wrong CSRF token of a request that is not a GET or HEAD,
        or a disabled user), Refusal `user` (the session's user is gone), `rate`, or `mfa_setup` for a session
        that is good for setting up a second factor alone, unless that is what it is for (`enrolling`).
        """
        if credentials.session_id:
            session = await self.sessions.get(credentials.session_id)
            if session is None:
                raise NoSession("Session has expired or is invalid.")
            if not safe_method:
                self.check_csrf(session, credentials.csrf_token)
            return self.of_session(session, credentials.session_id, enrolling=enrolling)
        if credentials.api_key:
            return self.keys.account(credentials.api_key, credentials.address)
        raise NoSession

    async def api_key(self, plain: str, address: str = "") -> Account | None:
        """The account of an API key given outside the usual places; None for a bad one. Counts the call."""
        try:
            return self.keys.account(plain, address)
        except NoSession:
            return None

    def key_refused(self, address: str) -> None:
        """A request showed a wrong API key. Raises Refusal `rate` when its address does nothing else."""
        count = self._wrong_keys.failed(address)
        limit = self._wrong_keys.of_address
        if count == limit and self._signals is not None:
            text = f"{limit} wrong API keys within a minute from {address}"
            self._signals.publish(Notice(level="warning", description=text))
        if count > limit:
            raise Refusal("rate", "Too many requests with a wrong API Key")

    def check_csrf(self, session: Session, token: str) -> None:
        if self._use_csrf and session.csrf_token and not matches(token, session.csrf_token):
            raise NoSession("Invalid session")

    def of_session(self, session: Session, session_id: str, *, enrolling: bool = False) -> Account:
        """The account of a valid session's user, who must exist and be active; `enrolling` as above."""
        user = self.users.get(session.username)
        if user is None:
            raise Refusal("user", f"User not found: {session.username}")
        if not user.get("active"):
            raise NoSession(f"User account is disabled: {session.username}")
        if not enrolling and self.must_enrol(session, user):
            raise Refusal("mfa_setup", "Your account needs a second factor: set it up, then go on.")
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

    def needs_factor(self, user: Json) -> bool:
        """Whether the settings ask for a second factor of `user`, be it there or not."""
        if self._require_factor == "admins":
            return ADMIN in effective(user, self._roles.all())[0]
        return bool(self._require_factor)

    def must_enrol(self, session: Session, user: Json) -> bool:
        """Whether `session` is good for nothing but setting up the second factor that `user` still lacks."""
        return session.enrolling and active(user) is None and self.needs_factor(user)

    async def log_in(
        self,
        username: str,
        password: str,
        ip: str,
        useragent: str,
        actor: Actor | None = None,
        *,
        code: str = "",
    ) -> tuple[str, Session, Json]:
        """A new session's ID, the session and its user. Raises Refusal `login`, and MfaRefusal once the password
        was right: without a `code` that the account needs, or with a wrong one.

        `actor` is whoever asks, whose name is not his before the password is right. That is always hashed
        first, whatever the account, so that timing tells nothing.
        """
        if self.attempts.refused(ip):
            raise Refusal("login", "Too many failed logins. Please try again later.")
        actor = actor or Actor(kind="user", ips=(ip,), useragent=useragent)
        user = self.users.get(username)
        stored = str(user.get("password", "")) if user else ""
        right = await self.users.passwords.verify(password, stored, str(user.get("salt", "")) if user else "")
        user = self.users.get(username)  # it may have changed meanwhile
        key = normalised(username)
        if user is None:
            self.attempts.failed(ip, key)
            self._announce(username, actor, "unknown user")
            raise Refusal("login", _VAGUE)
        if self.locked(user, ip):
            self._refuse_locked(username, actor)
        if not right or user.get("password") != stored:
            refused = self._refused(username, actor, "wrong password")
            await self.users.change(username, self._failed, events=lambda _: self._events(refused))
            self.attempts.failed(ip, key)
            if self._signals is not None:
                self._signals.publish_logged(refused)
            raise Refusal("login", _VAGUE)
        if not user.get("active"):
            self._announce(username, actor, "disabled")
            raise Refusal("login", f"User account is disabled: {user['username']}")
        if active(user) is not None:
            user = await self._prove(user, stored, code, ip, actor)
        self.attempts.succeeded(ip, key)
        if self.users.passwords.outdated(stored):
            await self._renew_hash(username, password, stored)
        who = structs.replace(actor, id=user["username"])
        enrolling = active(user) is None and self.needs_factor(user)
        session_id, session = await self.open_session(user, ip, who, enrolling=enrolling)
        return session_id, session, user

    async def open_session(
        self, user: Json, ip: str, actor: Actor, *, enrolling: bool = False
    ) -> tuple[str, Session]:
        """A session of a user who has shown who he is, stored and announced; its ID and itself.

        `enrolling`: it is good for setting up a second factor alone.
        """
        return await self.sessions.open(
            user["username"],
            ip,
            actor.useragent,
            lambda key: UserLoggedIn(
                correlation_id=actor.story,
                actor=actor,
                username=user["username"],
                user=brief(user),
                session=key,
            ),
            enrolling=enrolling,
        )

    def locked(self, user: Json, address: str) -> bool:
        """Whether `user` is kept out.

        Failed logins lock an account for all but the addresses from which it was used: those have a count
        of their own, so that strangers lock nobody out and guess no longer.
        """
        if not user.get("force_password_reset"):
            return False
        key = normalised(user["username"])
        spared = user.get("locked_by_failures") and self.attempts.knows(address, key)
        return not spared or self.attempts.exhausted(address, key)

    async def _prove(self, user: Json, password_hash: str, code: str, ip: str, actor: Actor) -> Json:
        """The record of `user` after `code` of his second factor was used up; a wrong one counts as a password's."""
        name = user["username"]
        if not code:
            self._announce(name, actor, "second factor missing")
            raise MfaRefusal("A code of your second factor is needed.")
        if self._factors is None:
            raise MfaRefusal("Second factors cannot be checked here.")

        def admit(present: Json) -> None:
            if self.locked(present, ip):  # by guesses that were under way at the same time
                self._refuse_locked(name, actor)
            if present.get("password") != password_hash:
                raise Refusal("login", _VAGUE)

        def failed(present: Json) -> Json:
            self.attempts.failed(ip, normalised(name))
            return self._failed(present)

        who = structs.replace(actor, id=name)
        proven = await self._factors.spend(user, code, who, admit=admit, failed=failed)
        if proven is None:
            self._announce(name, actor, "wrong code")
            raise MfaRefusal(WRONG)
        return proven

    def _refuse_locked(self, username: str, actor: Actor) -> NoReturn:
        self._announce(username, actor, "locked")
        raise Refusal("login", "Account is locked out. Please reset your password to unlock it.")

    async def _renew_hash(self, username: str, password: str, stored: str) -> None:
        renewed = await self.users.passwords.hash(password)

        def revise(user: Json) -> Json:
            return {**user, "password": renewed, "salt": ""} if user.get("password") == stored else user

        await self.users.change(username, revise)

    def _announce(self, username: str, actor: Actor, reason: str) -> None:
        if self._signals is not None:
            self._signals.publish(self._refused(username, actor, reason))

    @staticmethod
    def _refused(username: str, actor: Actor, reason: str) -> LoginRefused:
        return LoginRefused(username=username, reason=reason, actor=actor)

    def _events(self, told: LoginRefused) -> Sequence[EventRow]:
        return self._signals.events(told) if self._signals is not None else ()

    def _failed(self, user: Json) -> Json:
        """`user` with one more failed login in this clock hour; beyond the limit it is locked."""
        hour = int(now() // 3600)
        count = user.get("fl_count", 0) + 1 if user.get("fl_date_code") == hour else 1
        changed = {**user, "fl_date_code": hour, "fl_count": count}
        if count > self._max_failed_logins:
            changed.update(force_password_reset=1, locked_by_failures=True)
        return changed
