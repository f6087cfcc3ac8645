"""The door for those whom a trusted proxy, or a command of the operator, vouches for. Contract access.md §9.

Looked at for the app's own page alone. A proxy is trusted by the address of its socket. With a command, what
the client itself says in the mapped headers is removed before the command's answer is laid over the rest:
a header that the command leaves out is not there.
"""

import html
from collections.abc import Mapping
from typing import Any

import structlog
from aiohttp import hdrs, web

from conductor.access.accounts import Accounts
from conductor.access.changes import AccountChanges
from conductor.access.sso import applied, identity, is_bootstrapped, mapped_headers, provisioned
from conductor.access.users import Json
from conductor.announcer import Signals
from conductor.api import client
from conductor.api.answer import SERVER
from conductor.api.call import Call
from conductor.api.credentials import COOKIE
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.html_headers import HTML
from conductor.api.kernel import Leadership, Raw
from conductor.api.perimeter import Network, networks, within
from conductor.api.sessions import SessionCalls
from conductor.api.sso_command import SsoCommand
from conductor.errors import NoSession, Refusal
from conductor.settings import Settings
from conductor.settings_sections import SsoSettings
from conductor.signals import Actor, Notice

_PAGES = ("/", "/index.html")
_NO_STORE = {"Cache-Control": "no-store", "Server": SERVER}

log = structlog.get_logger(__name__)


class SsoDoor:
    """Stands before `pages`; without SSO it is not there."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        changes: AccountChanges,
        session_calls: SessionCalls,
        leadership: Leadership,
        signals: Signals,
        pages: Raw | None,
    ) -> None:
        self._settings = settings
        self._sso = settings.SSO
        self._accounts = accounts
        self._changes = changes
        self._session_calls = session_calls
        self._leadership = leadership
        self._signals = signals
        self._pages = pages
        self._trusted = trusted(settings.SSO)
        self._command = SsoCommand(settings) if settings.SSO.command else None

    async def page(self, request: web.BaseRequest) -> web.StreamResponse:
        """The page asked for; on the way to the app's own the caller is logged in."""
        path = request.raw_path.partition("?")[0]
        if not self._sso.enabled or path not in _PAGES or request.method != "GET":
            return await self._served(request)
        call = Call(request, "", False, _nobody, self._settings.WebServer.public_ip_offset)
        try:
            return await self._enter(request, call)
        except Refusal as refusal:
            log.info("single sign-on refused", ip=call.ip, reason=refusal.description)
            return _message("Login failed", refusal.description)

    async def _enter(self, request: web.BaseRequest, call: Call) -> web.StreamResponse:
        if self._trusted is not None and not within(request.remote, self._trusted):
            if self._sso.hybrid:
                return await self._served(request)
            raise Refusal("sso", "This address may not log in by single sign-on.")
        if not self._leadership.primary or await self._is_logged_in(request):
            return await self._served(request)
        headers: Mapping[str, str] = {
            name.lower(): client.readable(value) for name, value in request.headers.items()
        }
        if self._command is not None:
            mapped = mapped_headers(self._sso)
            answer = await self._command.run(
                request, call, {k: v for k, v in headers.items() if k not in mapped}
            )
            if answer.redirect:
                return web.Response(
                    status=302, headers={**_NO_STORE, **answer.headers, hdrs.LOCATION: answer.redirect}
                )
            headers = {
                **{name: value for name, value in headers.items() if name not in mapped},
                **{name.lower(): value for name, value in answer.headers.items()},
            }
        user = await self._user(headers, call)
        if user is None:
            if self._sso.hybrid:
                return await self._served(request)
            raise Refusal("sso", "The identity provider's headers are missing.")
        actor = _of(user["username"], call)
        session_id, _ = await self._accounts.open_session(user, call.ip, actor)
        await self._session_calls.begun(call, session_id, user, actor)
        if "?" in request.raw_path:
            return web.Response(
                status=302,
                headers={**_NO_STORE, **call.headers, hdrs.LOCATION: request.raw_path.partition("?")[0]},
            )
        return await self._with_cookie(request, call.headers["Set-Cookie"])

    async def _user(self, headers: Mapping[str, str], call: Call) -> Json | None:
        """The account of whom the headers name, made or brought up to date; None when they name nobody."""
        who = identity(headers, self._sso)
        if who is None:
            return None
        actor = _of(who.username, call)
        user = self._accounts.users.get(who.username)
        if user is None:
            made = provisioned(who, self._sso, self._settings.default_user_privileges)
            user = await self._changes.provision(made, actor)
        else:
            if user.get("force_password_reset"):
                raise Refusal("login", "Account is locked out.")
            if not user.get("active"):
                raise Refusal("login", f"User account is disabled: {user['username']}")
            if str(user["username"]).lower() != who.username:  # one name is the other without its punctuation
                raise Refusal("user", f"That username belongs to another account: {who.username}")
            user = await self._changes.synchronise(
                who.username, lambda stored: applied(stored, who, self._sso), actor
            )
        if is_bootstrapped(who, self._sso):
            text = f"{who.username} became an administrator by SSO.admin_bootstrap: remove that setting now"
            self._signals.publish(Notice(level="warning", description=text, actor=actor))
        return user

    async def _is_logged_in(self, request: web.BaseRequest) -> bool:
        session_id = client.cookie(request.headers.get(hdrs.COOKIE, ""), COOKIE)
        session = await self._accounts.sessions.get(session_id) if session_id else None
        if session is None:
            return False
        try:
            self._accounts.of_session(session, session_id)
        except (NoSession, Refusal):
            return False
        return True

    async def _with_cookie(self, request: web.BaseRequest, cookie: str) -> web.StreamResponse:
        """The page with the new session's cookie. A page that streams itself is fetched once more with it."""
        response = await self._served(request)
        if response.prepared:
            return response
        response.headers["Set-Cookie"] = cookie
        response.headers["Cache-Control"] = "no-store"
        return response

    async def _served(self, request: web.BaseRequest) -> web.StreamResponse:
        if self._pages is not None:
            return await self._pages(request)
        if request.raw_path.partition("?")[0] in _PAGES and self._sso.enabled:
            return _message("OpsOrbit", "There is no browser app on this conductor.")
        return web.Response(body=b"Not Found\n", status=404, headers={"Server": SERVER})

    async def sso_logout(self, call: Call, params: NoParams) -> web.Response:
        """Where `SSO.logout_url` may lead."""
        text = "You are logged out here. Your identity provider may still hold a session of yours."
        response = _message("Logged out", text)
        response.headers.update(HTML)
        return response

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "sso_logout",
                self.sso_logout,
                NoParams,
                "Says that the identity provider may still hold a session",
                methods=("GET",),
                auth=Auth.NONE,
                takes=Takes.NONE,
                primary_only=False,
            ),
        )


def trusted(sso: SsoSettings) -> tuple[Network, ...] | None:
    """Where a proxy may speak from; None: anywhere. Raises SettingsError."""
    listed = sso.whitelist
    if isinstance(listed, str):
        listed = listed.split(",")
    if isinstance(listed, bool):
        return () if listed else None
    return networks(listed, "SSO.whitelist")


async def _nobody(call: Call) -> Any:
    raise NoSession


def _message(title: str, text: str) -> web.Response:
    """A page of our own words; `text` is escaped."""
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(title)}</title>"
        f"<body><h1>{html.escape(title)}</h1><p>{html.escape(text)}</p></body></html>\n"
    )
    return web.Response(body=page.encode(), content_type="text/html", charset="utf-8", headers=_NO_STORE)


def _of(username: str, call: Call) -> Actor:
    return Actor(kind="user", id=username, ips=call.ips, useragent=call.useragent, story=call.correlation_id)
