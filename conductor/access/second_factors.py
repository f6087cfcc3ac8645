"""Second factors set up, confirmed and turned off. Contract access.md "Where to be better" 9: no MFA.

Off until its owner has shown a code; then every login with the password asks for one. API keys, single sign-on
and sessions that are open go on as before.
"""

from collections.abc import Sequence
from typing import NamedTuple

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.access.changes import AccountChanges
from conductor.access.factor_check import WRONG, FactorCheck
from conductor.access.factor_secrets import FactorSecrets
from conductor.access.second_factor import (
    KEY,
    PENDING_SECONDS,
    MfaRefusal,
    active,
    begun,
    confirmed,
    factor_of,
    fresh_recovery_codes,
    pending,
    with_factor,
)
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.totp import fresh_secret, provisioning_uri
from conductor.access.users import Json, brief, normalised, public
from conductor.announcer import Signals
from conductor.errors import Refusal
from conductor.signals import Activity, Actor, EventRow, UserChanged
from shared.clock import now

_PASSWORD = ("login", "Your password is incorrect.")
_MANY = "Too many wrong codes. Please try again later."


class SetUp(NamedTuple):
    """What is shown once: who has it makes the codes."""

    uri: str
    secret: str
    expires: int
    """Unix time until which it can be confirmed."""


class SecondFactors:
    """The one place where second factors come and go; logins spend their codes (access/accounts.py)."""

    def __init__(
        self,
        accounts: Accounts,
        changes: AccountChanges,
        secrets: FactorSecrets,
        check: FactorCheck,
        security: SecurityLog,
        signals: Signals,
    ) -> None:
        self._accounts = accounts
        self._users = accounts.users
        self._sessions = accounts.sessions
        self._attempts = accounts.attempts
        self._changes = changes
        self._secrets = secrets
        self._check = check
        self._security = security
        self._signals = signals

    async def begin(self, account: Account, password: str, actor: Actor) -> SetUp:
        """A fresh secret, for whoever knows the password. Nothing asks for it before `confirm`.

        An earlier set-up that waits is void. Raises Refusal `login` for a wrong password, `mfa` when the account
        has a factor, `secret` while stored values are under another key.
        """
        await self._changes.check_password(account, password, actor, *_PASSWORD)
        secret, factor = fresh_secret(), begun(now())

        def revise(user: Json) -> Json:
            if active(user) is not None:
                raise MfaRefusal("You have a second factor already: turn it off first.")
            return with_factor(user, factor)

        async with self._secrets.lock:
            writes = await self._secrets.storing(account.name, factor, secret)
            user = await self._users.change(account.name, revise, lambda _: writes)
        text = f"{account.name} began to set up a second factor"
        await self._security.add(account.name, "user_update", actor, description=text, user=brief(user))
        return SetUp(provisioning_uri(secret, account.name), secret, factor.begun + PENDING_SECONDS)

    async def confirm(self, account: Account, code: str, actor: Actor) -> tuple[list[str], Json]:
        """Turn it on: ten recovery codes, shown once, and the account. Ends the owner's other sessions.

        Raises MfaRefusal for a wrong code, or when nothing waits to be confirmed.
        """
        user = self._present(account.name)
        factor = pending(user, now())
        secret = await self._secrets.of(user, factor)
        recovery_codes = fresh_recovery_codes()

        def revise(present: Json) -> Json:
            self._admit(actor, present)
            waiting = pending(present, now())
            if waiting.id != factor.id:
                raise MfaRefusal("Your second factor was set up anew just now. Please try again.")
            turned_on = confirmed(waiting, secret, code, now(), recovery_codes)
            if turned_on is None:
                self._attempts.failed(_address(actor), normalised(account.name))
                raise MfaRefusal(WRONG)
            return with_factor(present, turned_on)

        text = f"{account.name} turned a second factor on"
        ending = Sessions.removal(account.name, but=account.session_id)
        over = Sessions.over(account.name, but=account.session_id, actor=actor)
        user = await self._users.change(
            account.name,
            revise,
            lambda _: [ending],
            lambda user: [*self._events(text, user, actor), *self._signals.events(over)],
        )
        self._sessions.removed(over)
        await self._tell(text, user, actor)
        return recovery_codes, user

    async def disable(self, account: Account, password: str, code: str, actor: Actor) -> Json:
        """Turn it off, by password and a code of either kind. Raises Refusal `login` or `mfa`."""
        await self._changes.check_password(account, password, actor, *_PASSWORD)
        user = self._present(account.name)
        if active(user) is None:
            raise MfaRefusal("You have no second factor.")
        if self._accounts.needs_factor(user):
            raise MfaRefusal("Your account must have a second factor. An administrator can turn it off.")

        def admit(present: Json) -> None:
            self._admit(actor, present)

        def failed(present: Json) -> Json:
            self._attempts.failed(_address(actor), normalised(account.name))
            return present

        if await self._check.spend(user, code, actor, admit=admit, failed=failed) is None:
            raise MfaRefusal(WRONG)
        return await self._turn_off(account.name, f"{account.name} turned the second factor off", actor)

    async def disable_of(self, username: str, account: Account, actor: Actor) -> Json:
        """Turn another user's off: for who has lost it. Raises Refusal `user`, MfaRefusal without one."""
        user = self._present(username)
        name = user["username"]
        if account.kind == "user" and normalised(account.name) == normalised(name):
            raise Refusal("user", "Your own second factor is turned off by disable_mfa, with a code.")
        if factor_of(user) is None:
            raise MfaRefusal(f"The user has no second factor: {name}")
        return await self._turn_off(name, f"The second factor of {name} was turned off for him", actor)

    async def _turn_off(self, username: str, text: str, actor: Actor) -> Json:
        async with self._secrets.lock:  # or a change of the secret key could bring the secret back
            user = await self._users.change(
                username,
                lambda present: with_factor(present, None),
                lambda _: [FactorSecrets.removal(username)],
                lambda user: self._events(text, user, actor),
            )
        await self._tell(text, user, actor)
        return user

    def _admit(self, actor: Actor, user: Json) -> None:
        """A stolen session cannot guess on."""
        if self._attempts.exhausted(_address(actor), normalised(user["username"])):
            raise MfaRefusal(_MANY)

    def _present(self, username: str) -> Json:
        user = self._users.get(username)
        if user is None:
            raise Refusal("user", f"User not found: {username}")
        return user

    def _events(self, text: str, user: Json, actor: Actor) -> Sequence[EventRow]:
        return self._signals.events(self._activity(text, user, actor))

    @staticmethod
    def _activity(text: str, user: Json, actor: Actor) -> Activity:
        name = user["username"]
        return Activity(
            action=f"user_{KEY}",
            description=text,
            payload={"user": public(user)},
            keywords=(name,),
            resource=("user", name),
            actor=actor,
        )

    async def _tell(self, text: str, user: Json, actor: Actor) -> None:
        self._signals.publish_logged(self._activity(text, user, actor))
        self._signals.publish(UserChanged(username=user["username"], actor=actor))
        await self._security.add(user["username"], "warning", actor, description=text, user=brief(user))


def _address(actor: Actor) -> str:
    return actor.ips[0] if actor.ips else ""
