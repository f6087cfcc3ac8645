"""The one door for HTTP: from a request to an answer, in a fixed order.

Primary → credentials, activity and rate → privilege → parameters → handler (contract api/README.md §6).
Whatever happens inside, what leaves is an envelope: a Refusal by its code, anything else as `internal`
with the trace in the log alone.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, Protocol

import structlog
from aiohttp import hdrs, web

from conductor.access.account import Account
from conductor.access.accounts import Accounts
from conductor.api import body, credentials, envelope, multipart, query
from conductor.api.answer import Answers, preflight
from conductor.api.call import Call, Encoded
from conductor.api.client import readable
from conductor.api.endpoint import Auth, Takes
from conductor.api.html_headers import protect
from conductor.api.metrics import Metrics
from conductor.api.params import TRANSPORT, check_files, check_writing, merged
from conductor.api.perimeter import Perimeter
from conductor.api.registry import Registry, Route
from conductor.errors import AccessDenied, BadParameter, Deposed, NoSession, NotPrimary, Refusal
from conductor.settings import Settings

log = structlog.get_logger(__name__)

Raw = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_SAFE = ("GET", "HEAD")
_OPEN = (Auth.NONE, Auth.TOKEN)
_FORM = "application/x-www-form-urlencoded"
_USER = "user"
"""The namespace of the account manager: sessions alone, and refusals of its own."""
_API = "/api/"
_APP = "/api/app/"
_FILES = "/files/"
_PORT = re.compile(r":\d+$")


class Leadership(Protocol):
    """Who is primary, as far as this conductor knows."""

    @property
    def primary(self) -> bool: ...

    @property
    def primary_host(self) -> str: ...


class RawUri(NamedTuple):
    """A path that is no API call: its handler answers for everything itself.

    A path that ends in a slash stands for all that is below it.
    """

    path: str
    handler: Raw


class Kernel:
    """Serves every request; `handle` is the handler of an `aiohttp.web.Server`.

    `raw` goes before the API's names (except below `/api/app/`), so that `/api/v1/` can be one of them;
    `pages` gets every other path. `sockets` receives websocket upgrades on any path.
    """

    def __init__(
        self,
        registry: Registry,
        accounts: Accounts,
        leadership: Leadership,
        settings: Settings,
        *,
        metrics: Metrics | None = None,
        sockets: Raw | None = None,
        raw: Sequence[RawUri] = (),
        pages: Raw | None = None,
        upload_folder: Path | None = None,
    ) -> None:
        self._registry = registry
        self._accounts = accounts
        self._leadership = leadership
        self._settings = settings
        self.metrics = metrics or Metrics()
        self._sockets = sockets
        self._raw = {uri.path: uri.handler for uri in raw if not uri.path.endswith("/")}
        self._below = tuple(uri for uri in raw if uri.path.endswith("/"))
        self._pages = pages
        self._upload_folder = upload_folder
        self._answers = Answers()
        self._public_ip_offset = settings.WebServer.public_ip_offset
        self._perimeter = Perimeter(settings.WebServer)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to any request. Raises nothing but what ends the connection."""
        if not self._perimeter.open and not self._perimeter.admits(
            request.remote, request.headers.get(hdrs.HOST, "")
        ):
            return web.Response(status=403, text="403 Forbidden")
        if hdrs.UPGRADE in request.headers and request.headers[hdrs.UPGRADE].lower() == "websocket":
            return await self._guarded(self._sockets, request)
        if request.method == "OPTIONS":
            return preflight(request)
        target = request.raw_path
        if not target.startswith("/"):
            target = request.rel_url.raw_path_qs  # absolute form, as sent to a proxy
        path, _, text = target.partition("?")
        if not path.startswith(_APP):
            if path.startswith(_FILES):  # another spelling of the endpoint `file` (contract api/files.yaml)
                found = self._registry.find(f"{_APP}file/v1/{path[len(_FILES) :]}")
                if found is not None and found.endpoint is not None:
                    return await self._serve(request, found, text)
            handler = self._raw_handler(path)
            if handler is not None or not path.startswith(_API):
                response = await self._guarded(handler or self._pages, request)
                protect(request, response, path, self._settings.WebServer.hsts_seconds)
                return response
        route = self._registry.find(path)
        if route is None:
            return self._answers.json(envelope.unsupported(f"Invalid API URL: {readable(path)}"), 200)
        if route.endpoint is None:
            name = readable(path).split("/")[3]
            return self._answers.json(
                envelope.unsupported(f"Unsupported API: {route.namespace}/api_{name}"), 200
            )
        return await self._serve(request, route, text)

    def _raw_handler(self, path: str) -> Raw | None:
        handler = self._raw.get(path)
        if handler is None:
            for uri in self._below:
                if path.startswith(uri.path):
                    return uri.handler
        return handler

    async def _serve(self, request: web.BaseRequest, route: Route, text: str) -> web.StreamResponse:
        """Run an endpoint and turn what comes of it into the answer."""
        started = perf_counter()
        call = Call(request, route.rest, route.versioned, self._authenticate, self._public_ip_offset)
        code = "0"
        try:
            result = await self._run(call, route, text)
            if isinstance(result, web.StreamResponse):
                return result
            if not isinstance(result, Encoded):
                result = Encoded(envelope.succeeded(result), repeated=False)
            return await self._answers.send(call, result)
        except NotPrimary as refusal:
            code = refusal.code
            refusal.host = refusal.host or self._leadership.primary_host
            return self._refused(call, route, refusal)
        except Refusal as refusal:
            code = refusal.code
            return self._refused(call, route, refusal)
        except RecursionError:
            code = "api"
            return self._refused(call, route, BadParameter("Malformed parameter: nested too deeply"))
        except Deposed:
            code = "master"
            return self._refused(call, route, NotPrimary(self._leadership.primary_host))
        except ConnectionError:
            raise  # the client has gone: there is nobody to answer
        except Exception:
            code = "internal"
            log.exception("endpoint failed", endpoint=route.label, correlation=call.correlation_id)
            return self._refused(call, route, Refusal("internal", "Internal server error"))
        finally:
            if call.files:
                multipart.remove(call.files)
            self.metrics.observe(route.label, code, perf_counter() - started)

    async def _run(self, call: Call, route: Route, text: str) -> Any:
        """The checks in their order, then the handler."""
        endpoint = route.endpoint
        assert endpoint is not None  # noqa: S101 - `handle` answers unknown names itself
        if endpoint.primary_only and not self._leadership.primary:
            raise NotPrimary(self._leadership.primary_host)
        if text:
            call.query = query.parse(text)
        safe = call.request.method in _SAFE
        if call.request.body_exists and call.request.method != "HEAD":
            await self._receive(call, route)
        call.credentials = credentials.shown(call.request, call.body, call.query, call.trusted_address)
        if endpoint.auth not in _OPEN:
            call.account = await self._authenticate(call, enrolling=endpoint.enrolling)
            self._authorise(call.account, route)
            if endpoint.mutates and safe and call.credentials.by_cookie:
                raise NoSession("This call changes something: send it as POST")
        self._merge(call, endpoint.takes)
        if endpoint.mutates:
            check_writing(call.params)
        if call.files:
            check_files(call.files, empty_allowed=endpoint.empty_files)
        params = route.decode(call.params) if route.decode else endpoint.params()
        return await endpoint.handler(call, params)

    async def _authenticate(self, call: Call, *, enrolling: bool = False) -> Account:
        shown = call.credentials
        try:
            return await self._accounts.authenticate(
                shown, safe_method=call.request.method in _SAFE, enrolling=enrolling
            )
        except NoSession:
            if shown.api_key and not shown.session_id:
                self._accounts.key_refused(call.ip)
            raise

    @staticmethod
    def _authorise(account: Account, route: Route) -> None:
        """Raise unless the account may call the endpoint at all."""
        endpoint = route.endpoint
        assert endpoint is not None  # noqa: S101 - as in `_run`
        of_users = route.namespace == _USER
        if (endpoint.auth is Auth.SESSION or of_users) and account.kind != "user":
            raise NoSession("This call needs a user session")
        if endpoint.auth is Auth.ADMIN:
            if of_users and not account.admin:
                raise Refusal("user", f"User is not an administrator: {account.name}")
            account.require_admin()
        if endpoint.privilege is not None:
            account.require(endpoint.privilege)

    async def _receive(self, call: Call, route: Route) -> None:
        """Read the body by its content type; a body of no known type is left to the handler."""
        request = call.request
        endpoint = route.endpoint
        assert endpoint is not None  # noqa: S101 - as in `_run`
        limits = self._settings.WebServer
        kind = request.headers.get(hdrs.CONTENT_TYPE, "").lower()
        if "multipart/" in kind:
            if endpoint.auth not in _OPEN:
                await self._pre_authenticate(call, route)
            admit = endpoint.admit
            call.body = await multipart.receive(
                request,
                call.files,
                folder=self._upload_folder,
                limit=limits.max_upload_size,
                field_limit=limits.max_json_size,
                idle=limits.timeout,
                rules=endpoint.uploads,
                admit=(lambda fields: admit(call, fields)) if admit else None,
            )
        elif _FORM in kind:
            call.body = body.parse_form(
                await body.read(request, limit=limits.max_json_size, idle=limits.timeout)
            )
        elif body.is_json(kind):
            call.body = body.parse_json(
                await body.read(request, limit=limits.max_json_size, idle=limits.timeout)
            )

    async def _pre_authenticate(self, call: Call, route: Route) -> None:
        """Credentials in the headers are checked before files are taken in: who may not call fills no disk.

        The CSRF token may still be in the body: it is checked with everything else afterwards.
        """
        endpoint = route.endpoint
        assert endpoint is not None  # noqa: S101 - as in `_run`
        early = credentials.shown(call.request, {}, {}, call.trusted_address)
        if early.session_id:
            account = await self._accounts.authenticate(early, safe_method=True, enrolling=endpoint.enrolling)
            self._authorise(account, route)
        elif early.api_key:
            try:
                account = self._accounts.keys.check(early.api_key, early.address)
            except NoSession:
                self._accounts.key_refused(call.ip)
                raise
            self._authorise(account, route)

    @staticmethod
    def _merge(call: Call, takes: Takes) -> None:
        if takes is Takes.BODY:
            call.params = call.body
        elif takes is not Takes.NONE:
            asked = call.query
            if asked and any(key in asked for key in TRANSPORT):
                asked = {key: value for key, value in asked.items() if key not in TRANSPORT}
            weaker, stronger = (call.body, asked) if takes is Takes.MERGED else (asked, call.body)
            call.params = merged(weaker, stronger)

    def _refused(self, call: Call, route: Route, refusal: Refusal) -> web.Response:
        endpoint = route.endpoint
        if isinstance(refusal, NotPrimary) and refusal.host and self._settings.redirect_master_requests:
            scheme = "https" if call.secure else "http"
            port = _PORT.search(call.request.host)
            return self._answers.redirect(
                f"{scheme}://{refusal.host}{port[0] if port else ''}{call.request.raw_path}"
            )
        if isinstance(refusal, AccessDenied):
            log.info("access denied", endpoint=route.label, account=call.account.name)
        if refusal.code == "rate":
            call.headers.setdefault("Retry-After", "1")
        shown = route.namespace != _USER and (
            route.versioned or (endpoint is not None and endpoint.status_always)
        )
        response = self._answers.json(
            envelope.refused(refusal), envelope.status(refusal.code, shown=shown), call.headers
        )
        if isinstance(refusal, body.Unreadable):
            response.force_close()
        return response

    async def _guarded(self, handler: Raw | None, request: web.BaseRequest) -> web.StreamResponse:
        """Run a raw handler; what it throws becomes a bare status."""
        if handler is None:
            return self._answers.page_not_found()
        try:
            return await handler(request)
        except Refusal as refusal:
            shown = envelope.status(refusal.code, shown=True)
            return self._answers.json(envelope.refused(refusal), shown)
        except (ConnectionError, web.HTTPException):
            raise
        except Exception:
            log.exception("handler failed", path=readable(request.raw_path.partition("?")[0]))
            return self._answers.json(envelope.refused(Refusal("internal", "Internal server error")), 500)
