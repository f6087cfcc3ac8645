"""The causal event log over HTTP, as seed 004 gives it: `/api/v1/events` and what is below it.

Answers and errors have the shapes of that reference, not the envelope: times are ISO 8601, names are camelCase,
and whatever is wrong with a request is `{"detail": [{"loc", "msg", "type"}]}`.
"""

import uuid
from typing import Any

import msgspec
from aiohttp import hdrs, web

from conductor.access.account import Account
from conductor.access.accounts import Accounts, Credentials
from conductor.api import client, credentials
from conductor.api.answer import SERVER
from conductor.api.event_questions import Invalid, Question, read
from conductor.api.event_stream import EventStream
from conductor.api.kernel import Leadership, RawUri
from conductor.audit import story
from conductor.audit.event_log import Event, EventLog, Filter
from conductor.audit.resources import RESOURCE_TYPES, correlation, is_uuid, resource_id
from conductor.errors import NoSession, Refusal, Unavailable
from conductor.records.search.restriction import Restriction

ROOT = "/api/v1/events"
_COOKIE = "vai_token"
_TYPE = "application/json"
_NO_LIMIT = Restriction()


class Problem(msgspec.Struct, frozen=True):
    """What is wrong, and where: `loc` is ["query", "limit"] for example."""

    loc: list[str]
    msg: str
    type: str


class Problems(msgspec.Struct, frozen=True):
    detail: list[Problem]


class Actors(msgspec.Struct, frozen=True):
    actors: list[Any]


class Story(msgspec.Struct, frozen=True, rename="camel"):
    """`?tree=true`: the events of a correlation as what caused what."""

    correlation_id: str
    tree: list[story.Chapter]
    total: int


class Refused(Exception):
    """The request is answered with this status and these problems."""

    def __init__(self, status: int, *problems: Problem) -> None:
        super().__init__(problems)
        self.status = status
        self.problems = list(problems)


class Reader:
    """Who asks, and what of the log he may see."""

    def __init__(self, account: Account) -> None:
        self.restriction = account.restriction() or _NO_LIMIT
        self.common = not account.admin

    def filter(self, question: Question, **more: str) -> Filter:
        resource = question.resource_id
        if resource and not is_uuid(resource):
            resource = resource_id(question.resource_type, resource) if question.resource_type else resource
        return Filter(
            event_type=question.event_type,
            resource_type=question.resource_type,
            resource=resource.lower() if is_uuid(resource) else resource,
            since=question.since,
            until=question.until,
            common=self.common,
            **more,
        )


class EventLogCalls:
    def __init__(self, log: EventLog, accounts: Accounts, leadership: Leadership) -> None:
        self._log = log
        self._accounts = accounts
        self._leadership = leadership
        self._stream = EventStream(log, lambda: leadership.primary)

    def uris(self) -> tuple[RawUri, RawUri]:
        return RawUri(ROOT, self.handle), RawUri(f"{ROOT}/", self.handle)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            self._check(request)
            reader = Reader(await self._account(request))
            return await self._answer(request, reader)
        except Refused as refused:
            return _json(Problems(refused.problems), refused.status)
        except Invalid as invalid:
            return _json(
                Problems([Problem(list(loc), msg, kind) for loc, msg, kind in invalid.problems]), 422
            )
        except Unavailable as refusal:
            return _json(Problems([Problem(["server"], refusal.description, "unavailable")]), 503)
        except Refusal as refusal:
            status = _STATUS.get(refusal.code, 400)
            return _json(Problems([Problem(["server"], refusal.description, str(refusal.code))]), status)

    def _check(self, request: web.BaseRequest) -> None:
        if request.method not in ("GET", "HEAD"):
            raise Refused(405, Problem(["method"], "Method Not Allowed", "method_not_allowed"))
        if not self._leadership.primary:
            raise Refused(503, Problem(["server"], "This conductor is not the primary", "not_primary"))

    async def _answer(self, request: web.BaseRequest, reader: Reader) -> web.StreamResponse:
        rest = request.rel_url.path[len(ROOT) :].strip("/")
        given = request.rel_url.query
        match rest.split("/") if rest else []:
            case []:
                return _json(await self._list(read(given, *_LISTED), reader))
            case ["aggregate"]:
                wanted = reader.filter(read(given, *_RANGE))
                return _json(await self._log.aggregate(wanted, reader.restriction))
            case ["stats", "by-actor"]:
                wanted = reader.filter(read(given, *_RANGE))
                return _json(Actors(await self._log.actors(wanted, reader.restriction)))
            case ["correlation", id]:
                return _json(await self._correlation(id, read(given, *_PAGE, "tree"), reader))
            case ["resource", type_, id]:
                return _json(await self._resource(type_, id, read(given, *_PAGE), reader))
            case ["stream"]:
                question = read(given, *_FILTERS, last_event_id=request.headers.get("Last-Event-ID", ""))
                wanted = reader.filter(question)
                return await self._stream.serve(request, wanted, reader.restriction, question.last_event_id)
            case [id]:
                return _json(await self._one(id, reader))
            case _:
                raise Refused(404, Problem(["path"], "Not Found", "not_found"))

    async def _list(self, question: Question, reader: Reader) -> Any:
        return await self._log.page(
            reader.filter(question), reader.restriction, limit=question.limit, offset=question.offset
        )

    async def _one(self, id: str, reader: Reader) -> Event:
        _check_uuid(id, "event_id")
        found = await self._log.get(str(uuid.UUID(id)), reader.restriction, common=reader.common)
        if found is None:
            raise Refused(404, Problem(["path", "event_id"], "Event not found", "not_found"))
        return found

    async def _correlation(self, id: str, question: Question, reader: Reader) -> Any:
        wanted = correlation(id)
        if question.tree:
            events = await self._log.story(wanted, reader.restriction, common=reader.common)
            return Story(correlation_id=wanted, tree=story.tree(events), total=len(events))
        return await self._log.page(
            reader.filter(question, correlation=wanted),
            reader.restriction,
            limit=question.limit,
            offset=question.offset,
            newest_first=False,
        )

    async def _resource(self, type_: str, id: str, question: Question, reader: Reader) -> Any:
        """`id`: the resource's UUID, or our own ID of it."""
        if type_ not in RESOURCE_TYPES:
            raise Invalid(("path", "resource_type"), f"Input should be one of {_TYPES}", "enum")
        if not id or len(id) > 128 or (_looks_like_uuid(id) and not is_uuid(id)):
            raise Invalid(("path", "resource_id"), "Input should be a valid UUID", "uuid_parsing")
        return await self._list(
            msgspec.structs.replace(question, resource_type=type_, resource_id=id), reader
        )

    async def _account(self, request: web.BaseRequest) -> Account:
        """By `Authorization: Bearer`, `X-API-Key`, the cookie, or a session of the house. Raises Refused 401."""
        try:
            return await self._authenticated(request)
        except NoSession as refusal:
            address = client.chosen(client.addresses(request), None)
            if _tokens(request):
                self._accounts.key_refused(address)  # guessing has an end
            text = refusal.description or "Not authenticated"
            raise Refused(401, Problem(["header", "authorization"], text, "unauthorized")) from None

    async def _authenticated(self, request: web.BaseRequest) -> Account:
        for token in _tokens(request):
            try:
                return await self._accounts.authenticate(Credentials(api_key=token), safe_method=True)
            except NoSession:
                shown = Credentials(session_id=token)
                return await self._accounts.authenticate(shown, safe_method=True)
        return await self._accounts.authenticate(credentials.shown(request, {}, {}), safe_method=True)


def uris(log: EventLog, accounts: Accounts, leadership: Leadership) -> tuple[RawUri, RawUri]:
    return EventLogCalls(log, accounts, leadership).uris()


_STATUS = {"rate": 429, "mfa_setup": 403}
_PAGE = ("limit", "offset")
_RANGE = ("from", "to")
_FILTERS = ("event_type", "resource_type", "resource_id")
_LISTED = (*_FILTERS, *_RANGE, *_PAGE)
_TYPES = ", ".join(f"'{one}'" for one in sorted(RESOURCE_TYPES))


def _tokens(request: web.BaseRequest) -> list[str]:
    """The first means of the three that the request uses: an API key, or a session's ID."""
    headers = request.headers
    scheme, _, bearer = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    cookie = client.cookie(headers[hdrs.COOKIE], _COOKIE) if hdrs.COOKIE in headers else ""
    found = (bearer.strip() if scheme.lower() == "bearer" else "", headers.get("X-API-Key", ""), cookie)
    return [token for token in found if token][:1]


def _check_uuid(text: str, name: str) -> None:
    if not is_uuid(text):
        raise Invalid(("path", name), "Input should be a valid UUID", "uuid_parsing")


def _looks_like_uuid(text: str) -> bool:
    """Something that was meant to be one: our own IDs have no dashes in such places."""
    return text.count("-") == 4 or (len(text) == 36 and "-" in text)


def _json(answer: Any, status: int = 200) -> web.Response:
    headers = {hdrs.CONTENT_TYPE: _TYPE, hdrs.SERVER: SERVER, hdrs.CACHE_CONTROL: "no-store"}
    if status == 401:
        headers[hdrs.WWW_AUTHENTICATE] = "Bearer"
    return web.Response(status=status, body=msgspec.json.encode(answer), headers=headers)
