"""Accounts, as their owners and strangers use them. Contract api/users.yaml.

The calls of the namespace `user` always answer HTTP 200 and take sessions alone.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Protocol

import msgspec

from conductor.access.accounts import Accounts
from conductor.access.changes import AccountChanges
from conductor.access.post import Post, date_time
from conductor.access.recovery import Recovery
from conductor.access.security_log import SecurityLog
from conductor.access.sessions import Session
from conductor.access.users import brief, public
from conductor.announcer import Signals
from conductor.api.call import Call, Json
from conductor.api.credentials import EXPIRED
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes, Text
from conductor.errors import NoSession, NotFound, Refusal
from conductor.settings import Settings
from conductor.signals import Activity, Actor

Email = Annotated[str, msgspec.Meta(pattern=r"^\S+@\S+$")]
Secret = Annotated[str, msgspec.Meta(min_length=1)]
_HIDDEN_HEADERS = ("cookie", "x-api-key", "x-session-id", "x-csrf-token", "authorization")


class SignUp(msgspec.Struct, kw_only=True):
    username: Text
    email: Email
    full_name: Text
    password: Secret


class UpdateSelf(msgspec.Struct, kw_only=True):
    username: Text
    """The caller's own."""
    old_password: Secret
    """The current one, always checked."""
    new_password: str = ""


class DeleteSelf(msgspec.Struct, kw_only=True):
    username: Text
    password: Secret


class Forgot(msgspec.Struct, kw_only=True):
    username: Text
    email: Email


class Reset(msgspec.Struct, kw_only=True):
    username: Text
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Fa-f0-9]{64}$(?!\n)")]
    new_password: Secret


class Preferences(msgspec.Struct, kw_only=True):
    """Any editable property of the caller's account; others are dropped."""


class Page(msgspec.Struct, kw_only=True):
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 50


class Password(msgspec.Struct, kw_only=True):
    password: Text
    """The current one."""


class Exists(msgspec.Struct, kw_only=True):
    username: Any = None


class InternalJob(Protocol):
    details: str


class InternalJobs(Protocol):
    """Where long work of the house itself is shown."""

    def start(
        self, title: str, type: str, work: Callable[[Any], Awaitable[None]], *, username: str
    ) -> str: ...


class UserCalls:
    """The calls. `jobs` shows the end of sessions as an internal job; without it, it is done at once."""

    def __init__(
        self,
        accounts: Accounts,
        changes: AccountChanges,
        recovery: Recovery,
        security: SecurityLog,
        post: Post,
        signals: Signals,
        settings: Settings,
        jobs: InternalJobs | None = None,
    ) -> None:
        self._accounts = accounts
        self._changes = changes
        self._recovery = recovery
        self._security = security
        self._post = post
        self._signals = signals
        self._settings = settings
        self._jobs = jobs

    # Strangers

    async def create(self, call: Call, params: SignUp) -> Json:
        """Refused before anything else unless accounts are free to make."""
        if not self._settings.User.free_accounts:
            raise Refusal("user", "Only administrators can create new users.")
        await self._changes.sign_up(
            params.username, params.password, params.full_name, params.email, _as(call, params.username)
        )
        return {}

    async def forgot_password(self, call: Call, params: Forgot) -> Json:
        """The same answer, whatever the account."""
        self._changes.check_name(params.username)
        headers = {
            name.lower(): value
            for name, value in call.request.headers.items()
            if name.lower() not in _HIDDEN_HEADERS
        }
        await self._recovery.forgot(params.username, params.email, _as(call, params.username), headers)
        return {}

    async def reset_password(self, call: Call, params: Reset) -> Json:
        self._changes.check_name(params.username)
        await self._recovery.reset(
            params.username, params.key, params.new_password, _as(call, params.username)
        )
        return {}

    async def check_user_exists(self, call: Call, params: Exists) -> Json:
        """Strangers are told only while they may make accounts."""
        if call.credentials.session_id or call.credentials.api_key:
            await call.require_account()
        elif not self._settings.User.free_accounts:
            raise NoSession
        call.headers["Cache-Control"] = "no-cache, no-store, must-revalidate"
        name = params.username
        if not self._changes.valid(name):
            return {"user_invalid": True}
        return {"user_exists": self._changes.blocked(name) or self._accounts.users.get(name) is not None}

    async def external_login(self, call: Call, params: NoParams) -> Json:
        """The original's login by a foreign user API; single sign-on has taken its place."""
        raise Refusal("user", "User.external_user_api is not configured: use SSO.")

    # Owners

    async def update(self, call: Call, params: UpdateSelf) -> Json:
        self._require_self(call, params.username)
        user = await self._changes.update_self(
            call.account, call.params, params.old_password, params.new_password, call.actor
        )
        return {"user": public(user)}

    async def delete(self, call: Call, params: DeleteSelf) -> Json:
        self._require_self(call, params.username)
        await self._changes.delete_self(call.account, params.password, call.actor)
        call.headers["Set-Cookie"] = EXPIRED
        return {}

    async def user_settings(self, call: Call, params: Preferences) -> Json:
        return {"user": public(await self._changes.settings(call.account, call.params, call.actor))}

    async def get_user_activity(self, call: Call, params: Page) -> Json:
        """The caller's own security log, newest first; an API key has none."""
        if call.account.kind != "user":
            return {"rows": [], "list": {"length": 0}}
        rows, total = await self._security.page(call.account.name, params.offset, params.limit)
        return {"rows": rows, "list": {"length": total}}

    async def get_sessions(self, call: Call, params: Page) -> Json:
        """The caller's own sessions; `id` names one and opens nothing."""
        found = await self._accounts.sessions.of_user(call.account.name)
        own = call.account.session_key
        rows = [
            {"id": key, "current": key == own, **shown_session(session)}
            for key, session in found[params.offset :][: params.limit]
        ]
        return {"rows": rows, "list": {"length": len(found)}}

    async def end_session(self, call: Call, params: "SessionKey") -> Json:
        """End one of the caller's own sessions."""
        found = dict(await self._accounts.sessions.of_user(call.account.name))
        if params.id not in found:
            raise NotFound(f"Session not found: {params.id}")
        await self._accounts.sessions.end_key(params.id, call.actor)
        return {}

    async def logout_all(self, call: Call, params: Password) -> Json:
        """End every session of the caller but this one, with a report by mail."""
        account, actor = call.account, call.actor
        await self._changes.check_password(
            account, params.password, actor, "login", "Your password is incorrect."
        )
        user = self._accounts.users.get(account.name) or {}
        text = f"All sessions of {account.name} were logged out by request"
        self._signals.publish(
            Activity(action="notice", description=text, payload={"user": public(user)}, actor=actor)
        )
        await self._security.add(account.name, "warning", actor, description=text, user=brief(user))

        async def work(job: Any = None) -> None:
            ended = await self._accounts.sessions.end_all(account.name, but=account.session_id, actor=actor)
            if ended:
                data = {
                    "user": public(user),
                    "report": _report(ended),
                    "self_url": f"{self._settings.base_app_url}/",
                }
                self._post.send("logout_all_sessions", data, str(user.get("email", "")))

        if self._jobs is None:
            await work()
        else:
            self._jobs.start(
                f"Logging out user sessions for: {account.name}", "user", work, username=account.name
            )
        return {}

    def _require_self(self, call: Call, username: str) -> None:
        if username != call.account.name:
            raise Refusal("user", "Username mismatch.")

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        stranger: dict[str, Any] = {
            "namespace": "user",
            "auth": Auth.NONE,
            "takes": Takes.BODY,
            "methods": ("POST",),
        }
        owner: dict[str, Any] = {**stranger, "auth": Auth.SESSION, "mutates": True}
        own: dict[str, Any] = {**owner, "namespace": "app"}
        exists = ("check_user_exists", self.check_user_exists, Exists, "Whether a username is taken")
        return (
            Endpoint("create", self.create, SignUp, "Make an account for oneself, where allowed", **stranger),
            Endpoint("forgot_password", self.forgot_password, Forgot, "Ask for a new password", **stranger),
            Endpoint("reset_password", self.reset_password, Reset, "Set a forgotten password", **stranger),
            Endpoint(
                "external_login",
                self.external_login,
                NoParams,
                "Log in by a foreign user API (not configured)",
                namespace="user",
                auth=Auth.NONE,
            ),
            Endpoint("update", self.update, UpdateSelf, "Change one's own account", **owner),
            Endpoint("delete", self.delete, DeleteSelf, "Delete one's own account", **owner),
            Endpoint(*exists, namespace="user", auth=Auth.NONE),
            Endpoint(*exists, auth=Auth.NONE),
            Endpoint("user_settings", self.user_settings, Preferences, "Change one's own preferences", **own),
            Endpoint(
                "logout_all",
                self.logout_all,
                Password,
                "End one's other sessions",
                methods=("POST",),
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint("get_user_activity", self.get_user_activity, Page, "One's own security log"),
            Endpoint("get_sessions", self.get_sessions, Page, "One's own sessions", auth=Auth.SESSION),
            Endpoint("end_session", self.end_session, SessionKey, "End one of one's own sessions", **own),
        )


class SessionKey(msgspec.Struct, kw_only=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^[a-f0-9]{64}$(?!\n)")]


def shown_session(session: Session) -> Json:
    """What may be shown of a session: nothing that opens it."""
    return {
        "ip": session.ip,
        "useragent": session.useragent,
        "created": session.created,
        "modified": session.modified,
        "expires": session.expires,
    }


def _as(call: Call, username: str) -> Actor:
    return Actor(kind="user", id=username, ips=call.ips, useragent=call.useragent, story=call.correlation_id)


def _report(ended: list[Session]) -> str:
    return "\n".join(
        f"- {one.ip}, {one.useragent}, logged in {date_time(one.created)}, last used {date_time(one.modified)}"
        for one in ended
    )
