"""Changes of accounts: made, edited by their owner or by an administrator, deleted.

Contract access.md §2, api/users.yaml. A change is stored first, together with the sessions that it ends;
then it is announced, logged for its owner and mailed.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from conductor.access.account import Account
from conductor.access.account_rules import administered, completed, editable, unlocked
from conductor.access.attempts import Attempts
from conductor.access.avatars import Avatars
from conductor.access.passwords import check_length
from conductor.access.post import Post, date_time
from conductor.access.preferences import PREFERENCES
from conductor.access.privileges import ADMIN, granted
from conductor.access.rights import Roles, effective
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Sessions
from conductor.access.users import Json, Users, brief, normalised, public
from conductor.announcer import Signals
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.records.store import Write
from conductor.settings import Settings
from conductor.signals import Activity, Actor, DefinitionChanged, EventRow, Signal, UserChanged
from shared.clock import now

log = structlog.get_logger(__name__)

_SIGN_UPS = 60
"""Tries an hour of one address: each costs a hash."""
_TAKEN = "That username is already taken: {}"


class AccountChanges:
    """The one place where accounts change, besides what a login counts."""

    def __init__(
        self,
        users: Users,
        sessions: Sessions,
        roles: Roles,
        attempts: Attempts,
        security: SecurityLog,
        avatars: Avatars,
        post: Post,
        signals: Signals,
        settings: Settings,
    ) -> None:
        self._users = users
        self._sessions = sessions
        self._roles = roles
        self._attempts = attempts
        self._security = security
        self._avatars = avatars
        self._post = post
        self._sign_ups = Attempts(_SIGN_UPS, _SIGN_UPS)
        self._signals = signals
        self._settings = settings
        self._valid_name = re.compile(settings.User.valid_username_match, re.ASCII)
        self._blocked_name = re.compile(settings.User.block_username_match, re.IGNORECASE | re.ASCII)

    # Making

    async def sign_up(self, username: str, password: str, full_name: str, email: str, actor: Actor) -> None:
        """A stranger's own account. Nothing but these four is his to choose. Raises Refusal."""
        if not self._settings.User.free_accounts:
            raise Refusal("user", "Only administrators can create new users.")
        address = actor.ips[0] if actor.ips else ""
        if self._sign_ups.refused(address):
            raise Refusal("user", "Too many accounts were made from your address. Please try again later.")
        self._sign_ups.failed(address)
        self.check_name(username)
        if self.blocked(username):
            raise Refusal("user", f"That username is not allowed: {username}")
        profile = editable({"full_name": full_name, "email": email})
        user = await self._new(username, password, profile)
        if not await self._users.add(user, self._told("create", actor)):
            raise Refusal("user", _TAKEN.format(username))
        self._announce("create", user, actor)
        await self._security.add(username, "user_create", actor, user=brief(user))
        self._welcome(user)

    async def create(
        self, username: str, password: str, fields: Json, actor: Actor, *, welcome: bool
    ) -> Json:
        """An account that an administrator makes. Raises Refusal (`user_exists` for a taken name)."""
        self.check_name(username)
        user = await self._new(username, password, administered(fields))
        if not await self._users.add(user, self._told("create", actor)):
            raise Refusal("user_exists", _TAKEN.format(username))
        self._announce("create", user, actor)
        if welcome:
            self._welcome(user)
        return user

    async def provision(self, user: Json, actor: Actor) -> Json:
        """An account that a provider of identities vouches for. Raises Refusal `user` for a taken name."""
        self.check_name(user["username"])
        made = completed({**self._blank(user["username"]), **user}, self._roles.all())
        if not await self._users.add(made, self._told("create", actor)):
            raise Refusal("user", _TAKEN.format(user["username"]))
        self._announce("create", made, actor)
        await self._security.add(made["username"], "user_create", actor, user=brief(made))
        return made

    async def synchronise(self, username: str, revise: Callable[[Json], Json], actor: Actor) -> Json:
        """Bring an account up to date with its provider of identities; nothing happens without a change."""
        stored = self._users.get(username)
        if stored is None:
            raise Refusal("user", f"User not found: {username}")
        if completed(revise(stored), self._roles.all()) == stored:
            return stored
        user = await self._users.change(
            username, lambda user: self._revised(revise(user)), events=self._told("update", actor)
        )
        self._announce("update", user, actor)
        await self._security.add(user["username"], "user_update", actor, user=brief(user))
        return user

    # By the owner

    async def update_self(
        self, account: Account, fields: Json, old_password: str, new_password: str, actor: Actor
    ) -> Json:
        """The owner's edits, given his password. A new password ends his other sessions. Raises Refusal."""
        await self.check_password(account, old_password, actor, "user", "Your password is incorrect.")
        changes = editable(fields)
        hashed = await self._hashed(new_password) if new_password else ""

        def revise(user: Json) -> Json:
            return self._revised({**user, **changes}, hashed)

        ending = self._ending(hashed, but=account.session_id)
        over = Sessions.over(account.name, but=account.session_id, actor=actor)
        told = self._told("update", actor, *([over] if hashed else ()))
        user = await self._users.change(account.name, revise, ending, told)
        self._announce("update", user, actor)
        await self._security.add(account.name, "user_update", actor, user=brief(user))
        if hashed:
            self._sessions.removed(over)
            await self._security.add(account.name, "user_password", actor, user=brief(user))
            self._tell_of_password(user, actor)
        return user

    async def settings(self, account: Account, fields: Json, actor: Actor) -> Json:
        """The owner's preferences; what is not his to set is dropped without a word. No activity."""
        changes = editable(fields)
        user = await self._users.change(
            account.name,
            lambda user: self._revised({**user, **changes}),
            events=self._told("update", actor),
        )
        self._signals.publish(UserChanged(username=user["username"], actor=actor))
        return user

    async def delete_self(self, account: Account, password: str, actor: Actor) -> None:
        """Raises Refusal: `login` for a wrong password, `user` where it is not allowed."""
        if not self._settings.User.self_delete:
            raise Refusal("user", "Users cannot delete their own accounts here.")
        await self.check_password(account, password, actor, "login", "Your password is incorrect.")
        await self.delete(account.name, actor)

    async def mark(self, username: str, changes: Mapping[str, Any], actor: Actor) -> Json:
        """Set what the house keeps of an account, such as its avatar; None removes a property."""

        def revise(user: Json) -> Json:
            marked = {key: value for key, value in {**user, **changes}.items() if value is not None}
            return self._revised(marked)

        user = await self._users.change(username, revise, events=self._told("update", actor))
        self._announce("update", user, actor)
        return user

    async def check_password(
        self, account: Account, password: str, actor: Actor, code: str, refusal: str
    ) -> None:
        """Raise Refusal with `code` unless it is the account's password. A stolen session cannot guess on."""
        address = actor.ips[0] if actor.ips else ""
        key = normalised(account.name)
        user = self._users.get(account.name) if account.kind == "user" else None
        if user is None:
            raise Refusal(code, refusal)
        if self._attempts.exhausted(address, key):
            raise Refusal(code, "Too many wrong passwords. Please try again later.")
        stored, salt = str(user.get("password", "")), str(user.get("salt", ""))
        if not await self._users.passwords.verify(password, stored, salt):
            self._attempts.failed(address, key)
            raise Refusal(code, refusal)

    # By an administrator

    async def update(self, username: str, fields: Json, actor: Actor, *, keep_session: str = "") -> Json:
        """Any property; `new_password` (which unlocks too) and `unlock`. Raises Refusal.

        A new password and a deactivation end the account's sessions, but for `keep_session`.
        """
        changes = administered(fields)
        new_password = fields.get("new_password") or ""
        if not isinstance(new_password, str):
            raise BadParameter("Parameter is not type string: new_password")
        unlock = bool(new_password) or fields.get("unlock") not in (None, False, 0, "", "0", "false")
        hashed = await self._hashed(new_password) if new_password else ""

        def revise(user: Json) -> Json:
            revised = self._revised({**(unlocked(user) if unlock else user), **changes}, hashed)
            if not self._administers(revised):
                self._keep_an_administrator(user)
            return revised

        ends = bool(hashed) or changes.get("active") == 0
        ending = self._ending(ends, but=keep_session)
        stored = self._users.get(username)
        name = str(stored["username"]) if stored else username
        over = Sessions.over(name, but=keep_session, actor=actor)
        told = self._told("update", actor, *([over] if ends else ()))
        user = await self._users.change(username, revise, ending, told)
        if unlock:
            self._attempts.forgive(normalised(username))
        if ends:
            self._sessions.removed(over)
        self._announce("update", user, actor)
        return user

    async def delete(self, username: str, actor: Actor) -> None:
        """The account with its sessions and its security log. Raises Refusal `user`."""
        user = self._users.get(username)
        if user is None:
            raise Refusal("user", f"User not found: {username}")
        name = user["username"]
        over = Sessions.over(name, actor=actor)
        await self._users.delete(
            name,
            self._keep_an_administrator,
            Sessions.removal(name),
            SecurityLog.removal(name),
            events=self._told("delete", actor, over)(user),
        )
        self._sessions.removed(over)
        self._announce("delete", user, actor)
        try:
            await self._avatars.remove(name)
        except Unavailable as error:
            log.warning("the avatar of a deleted user was left behind", user=name, reason=error.description)

    # Passwords

    async def reset_password(
        self, user: Json, new_password: str, used_up: Sequence[Write], actor: Actor
    ) -> None:
        """A forgotten password's successor: unlocks, ends every session. `used_up` goes with it."""
        hashed = await self._hashed(new_password)
        name = user["username"]
        over = Sessions.over(name, actor=actor)
        changed = await self._users.change(
            name,
            lambda user: self._revised(unlocked(user), hashed),
            lambda _: [Sessions.removal(name), *used_up],
            lambda changed: self._signals.events(self._password(changed, actor), over),
        )
        self._sessions.removed(over)
        self._attempts.forgive(normalised(name))
        self._signals.publish_logged(self._password(changed, actor))
        self._signals.publish(UserChanged(username=name, actor=actor))
        await self._security.add(name, "user_password", actor, user=brief(changed))
        self._tell_of_password(changed, actor)

    def check_new_password(self, password: str) -> None:
        """Raises BadParameter."""
        refusal = check_length(password, self._settings.User.password_min_length)
        if refusal:
            raise BadParameter(refusal)

    # Names

    def check_name(self, username: str) -> None:
        """Raises BadParameter for a name that no account can have."""
        if not self._valid_name.search(username) or "\n" in username or not normalised(username):
            raise BadParameter("Malformed parameter: username")

    def valid(self, username: object) -> bool:
        return isinstance(username, str) and self._valid_name.search(username) is not None

    def blocked(self, username: str) -> bool:
        return self._blocked_name.search(username) is not None

    # Pieces

    def _blank(self, username: str) -> Json:
        moment = int(now())
        return {
            "username": username,
            "active": 1,
            "privileges": {},
            "roles": [],
            "categories": [],
            "groups": [],
            "created": moment,
            "modified": moment,
            **PREFERENCES,
            **self._settings.default_user_prefs,
        }

    async def _new(self, username: str, password: str, fields: Json) -> Json:
        if len(username) > 128:
            raise BadParameter("Malformed parameter: username (at most 128 characters)")
        hashed = await self._hashed(password)
        default = dict.fromkeys(sorted(granted(self._settings.User.default_privileges)), True)
        profile = {key: value for key, value in fields.items() if key not in PREFERENCES}
        user = {**self._blank(username), "privileges": default, **profile, "active": 1}
        return completed({**user, "password": hashed, "salt": ""}, self._roles.all())

    async def _hashed(self, password: str) -> str:
        self.check_new_password(password)
        return await self._users.passwords.hash(password)

    def _revised(self, user: Json, hashed: str = "") -> Json:
        revised = {**user, "modified": int(now())}
        if hashed:
            revised.update(password=hashed, salt="")
            revised.pop("force_password_change", None)
        return completed(revised, self._roles.all())

    @staticmethod
    def _ending(ends: object, *, but: str) -> Any:
        return lambda user: [Sessions.removal(user["username"], but=but)] if ends else ()

    def _administers(self, user: Json) -> bool:
        return bool(user.get("active")) and ADMIN in effective(user, self._roles.all())[0]

    def _keep_an_administrator(self, user: Json) -> None:
        """Raise Refusal when nobody but `user` could administrate any more."""
        if self._administers(user) and not any(
            self._administers(other) for other in self._users.all() if other["username"] != user["username"]
        ):
            raise Refusal("user", f"The last active administrator has to stay: {user['username']}")

    def _told(self, verb: str, actor: Actor, *also: Signal) -> Callable[[Json], Sequence[EventRow]]:
        """What the event log says of a change, and of what it entails, for the transaction that makes it."""
        return lambda user: self._signals.events(self._changed(verb, user, actor), *also)

    @staticmethod
    def _changed(verb: str, user: Json, actor: Actor) -> DefinitionChanged:
        return DefinitionChanged(kind="users", verb=verb, item=public(user), actor=actor)

    @staticmethod
    def _password(user: Json, actor: Actor) -> Activity:
        name = user["username"]
        return Activity(
            action="user_password",
            description=name,
            payload={"user": public(user)},
            keywords=(name,),
            resource=("user", name),
            actor=actor,
        )

    def _announce(self, verb: str, user: Json, actor: Actor) -> None:
        self._signals.publish_logged(self._changed(verb, user, actor))
        self._signals.publish(UserChanged(username=user["username"], deleted=verb == "delete", actor=actor))

    def _welcome(self, user: Json) -> None:
        url = f"{self._settings.base_app_url}/"
        self._post.send(
            "welcome_new_user", {"user": public(user), "self_url": url}, str(user.get("email", ""))
        )

    def _tell_of_password(self, user: Json, actor: Actor) -> None:
        data = {
            "user": public(user),
            "self_url": f"{self._settings.base_app_url}/",
            "epoch": int(now()),
            "date_time": date_time(now()),
            "ip": actor.ips[0] if actor.ips else "",
            "useragent": actor.useragent,
            "request": {"headers": {"user-agent": actor.useragent}},
        }
        self._post.send("changed_password", data, str(user.get("email", "")))
