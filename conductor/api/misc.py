"""ping, echo, error and the browser's first configuration. Contract api/misc.yaml."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from aiohttp import hdrs, web

from conductor.access.users import PREFERENCES
from conductor.administration.log_search import COLUMNS
from conductor.api import client, envelope
from conductor.api.answer import SERVER
from conductor.api.call import Call, Encoded, Json
from conductor.api.client import readable
from conductor.api.credentials import COOKIE
from conductor.api.endpoint import Auth, Endpoint, NoParams, Takes
from conductor.api.kernel import Leadership
from conductor.api.params import decoder
from conductor.client_settings import client_settings
from conductor.errors import Refusal
from conductor.settings import Settings
from shared.clock import now

_LONGEST_ECHO = 10_000  # milliseconds
_NEVER = {
    "Cache-Control": "no-cache, no-store, must-revalidate, proxy-revalidate",
    "Expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
_SECRET_HEADERS = ("cookie", "x-api-key", "x-session-id", "x-csrf-token", "authorization")
_NEW_USER_PRIVILEGES = (
    "create_events",
    "edit_events",
    "run_jobs",
    "tag_jobs",
    "create_tickets",
    "edit_tickets",
)

_STATIC: Json = {
    "ui": {},
    "default_user_privileges": dict.fromkeys(_NEW_USER_PRIVILEGES, True),
    "default_user_prefs": PREFERENCES,
    "log_columns": list(COLUMNS),
}
"""The part of `config` that a browser may keep: with `static=0` it is left out there."""

_encode = msgspec.json.Encoder().encode


class EchoParams(msgspec.Struct, kw_only=True):
    sleep: Annotated[int, msgspec.Meta(ge=0)] = 1


_pause = decoder(EchoParams)


class Misc:
    """Calls that need no service."""

    def __init__(
        self,
        settings: Settings,
        leadership: Leadership,
        version: str,
        conductors: Callable[[], Json] | None = None,
    ) -> None:
        self._settings = settings
        self._leadership = leadership
        self._version = version
        self._conductors = conductors or self._myself

    async def ping(self, call: Call, params: NoParams) -> Json:
        return {}

    async def error(self, call: Call, params: NoParams) -> Json:
        raise Refusal("test", "This is a test error.")

    async def echo(self, call: Call, params: NoParams) -> Encoded:
        """The request as it was understood; no `code`. Credentials are not echoed, nor temporary paths."""
        pause = _pause({"sleep": call.query["sleep"]}).sleep if "sleep" in call.query else 1
        await asyncio.sleep(min(pause, _LONGEST_ECHO) / 1_000)
        request = call.request
        scheme = "https" if call.secure else "http"
        body = {
            "method": request.method,
            "url": f"{scheme}://{readable(request.headers.get(hdrs.HOST, ''))}{_target(call)}",
            "ips": call.ips,
            "query": call.query,
            "headers": {
                name.lower(): readable(value)
                for name, value in request.headers.items()
                if name.lower() not in _SECRET_HEADERS
            },
            "cookies": {
                name: value
                for name, value in client.cookies(request.headers.get(hdrs.COOKIE, "")).items()
                if name != COOKIE
            },
            "params": call.body,
            "files": {
                file.field: {"type": file.type, "name": file.name, "size": file.size, "mtime": file.mtime}
                for file in call.files
            },
        }
        return Encoded(_encode(body) + b"\n")

    async def config(self, call: Call, params: NoParams) -> web.StreamResponse:
        """What the browser needs before anybody has logged in; holds nothing secret."""
        settings = self._settings
        if not self._leadership.primary:
            body: Json = {
                "code": "master",
                "host": self._leadership.primary_host,
                "title": "Not the primary",
                "description": "This conductor is not the primary.",
            }
        else:
            body = {
                "code": 0,
                "version": self._version,
                "epoch": now(),
                "port": settings.WebServer.port,
                "masters": self._conductors(),
                "config": {
                    **client_settings(settings),
                    "base_app_url": settings.base_app_url,
                    "debug": 0,
                    "free_accounts": False,
                    "email_from": "",
                    "intl": {},
                    "tz": settings.tz,
                    "https_port": settings.WebServer.port,
                    "quick_monitors": [],
                    "systems": [],
                    "hostname_display_strip": settings.hostname_display_strip or "(?!)",
                    "ip_display_strip": settings.ip_display_strip or "(?!)",
                    "job_universal_limits": settings.job_universal_limits,
                    "job_universal_actions": settings.job_universal_actions,
                    **({} if call.query.get("static") in (0, "0") else _STATIC),
                },
                "static": f"/api/app/config_static/v1?version={_static_version()}",
            }
        if call.query.get("format") == "json":
            content, kind = _encode(body) + b"\n", "application/json"
        else:
            content, kind = b"app.receiveConfig(" + _encode(body) + b");\n", "text/javascript"
        return web.Response(body=content, headers={hdrs.CONTENT_TYPE: kind, hdrs.SERVER: SERVER, **_NEVER})

    async def config_static(self, call: Call, params: NoParams) -> Encoded:
        """What of `config` is the same until the next release; its URL changes with it."""
        call.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return Encoded(envelope.succeeded({"config": _STATIC}))

    def _myself(self) -> Json:
        host = self._leadership.primary_host
        if not host:
            return {}
        return {
            host: {
                "id": host,
                "online": True,
                "master": True,
                "date": int(now()),
                "version": self._version,
                "ping": 0,
                "stats": {},
            }
        }

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "ping",
                self.ping,
                NoParams,
                "Answers that this conductor is there",
                auth=Auth.NONE,
                takes=Takes.NONE,
                primary_only=False,
            ),
            Endpoint(
                "echo",
                self.echo,
                NoParams,
                "The request as it was understood",
                auth=Auth.NONE,
                primary_only=False,
            ),
            Endpoint(
                "error",
                self.error,
                NoParams,
                "Always refuses",
                auth=Auth.NONE,
                takes=Takes.NONE,
                primary_only=False,
            ),
            Endpoint(
                "config",
                self.config,
                NoParams,
                "What a browser needs before anybody has logged in",
                methods=("GET",),
                auth=Auth.NONE,
                primary_only=False,
            ),
            Endpoint(
                "config_static",
                self.config_static,
                NoParams,
                "The part of config that changes with releases alone, to be kept by browsers",
                methods=("GET",),
                auth=Auth.NONE,
                primary_only=False,
            ),
        )


def _static_version() -> str:
    return hashlib.blake2b(_encode(_STATIC), digest_size=8).hexdigest()


def endpoints(
    settings: Settings,
    leadership: Leadership,
    version: str,
    conductors: Callable[[], Json] | None = None,
) -> tuple[Endpoint[Any], ...]:
    """`conductors`: all of the cluster by host; without it this one alone."""
    return Misc(settings, leadership, version, conductors).endpoints()


def _target(call: Call) -> str:
    """Path and query of the request, without credentials."""
    path = readable(call.request.raw_path.partition("?")[0])
    return f"{path}?{urlencode(call.query, doseq=True)}" if call.query else path
