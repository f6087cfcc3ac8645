"""A small client of the REST API (contract api/README.md): calls, raw bodies, the stream of one job."""

from collections.abc import AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp
import msgspec

Json = dict[str, Any]

CALL_TIMEOUT = 30.0


class ApiError(Exception):
    """The server refused: `code` and `description` of the envelope, `status` of HTTP."""

    def __init__(self, status: int, code: Any, description: str) -> None:
        super().__init__(f"{code}: {description} (HTTP {status})")
        self.status = status
        self.code = code
        self.description = description


class Event(NamedTuple):
    """One server-sent event; `data` is the decoded JSON of its data line."""

    name: str
    data: Json


class Client:
    """Talks to one conductor as one account. Use it as an async context manager."""

    def __init__(self, url: str, api_key: str = "") -> None:
        self.url = url.rstrip("/")
        self._headers = {"X-API-Key": api_key} if api_key else {}
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            # The session cookie of a host that is an IP address is refused by the safe jar.
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=CALL_TIMEOUT),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("Client is used outside of its `async with` block")
        return self._session

    async def call(self, name: str, /, *, timeout: float = CALL_TIMEOUT, **params: Any) -> Json:
        """POST `params` to `/api/app/NAME/v1` and return the envelope. Raises ApiError.

        `name` may carry more of the path: `run_event/v1/wait`.
        """
        path = name if "/" in name else f"{name}/v1"
        return await self._post(f"/api/app/{path}", params, timeout)

    async def login(self, username: str, password: str) -> None:
        """Open a session; later calls are made in it."""
        answer = await self._post(
            "/api/user/login", {"username": username, "password": password}, CALL_TIMEOUT
        )
        if "csrf_token" in answer:
            self._headers["X-CSRF-Token"] = answer["csrf_token"]
        if "session_id" in answer:
            self._headers["X-Session-ID"] = answer["session_id"]

    async def fetch(self, path: str, **query: str) -> bytes:
        """GET what has no envelope: logs, files, a satellite's configuration. Raises ApiError."""
        async with self.session.get(self.url + path, params=query, headers=self._headers) as response:
            body = await response.read()
            if response.status >= 400:
                raise ApiError(response.status, response.reason, body.decode(errors="replace")[:200])
            return body

    async def stream(self, job_id: str, *, timeout: float | None = None) -> AsyncIterator[Event]:
        """The events of `stream_job` up to and including `end`. Raises ApiError before the first."""
        async with self.session.get(
            f"{self.url}/api/app/stream_job/v1",
            params={"id": job_id},
            headers=self._headers,
            timeout=aiohttp.ClientTimeout(total=timeout, sock_read=CALL_TIMEOUT),
        ) as response:
            if response.content_type != "text/event-stream":
                _checked(response.status, await response.read())
                raise ApiError(response.status, "stream", "the answer is no event stream")
            parser = EventParser()
            async for chunk in response.content.iter_any():
                for event in parser.feed(chunk):
                    yield event

    async def _post(self, path: str, body: Mapping[str, Any], timeout: float) -> Json:
        async with self.session.post(
            self.url + path,
            data=msgspec.json.encode(body),
            headers={**self._headers, "Content-Type": "application/json"},
            timeout=aiohttp.ClientTimeout(total=timeout),
        ) as response:
            return _checked(response.status, await response.read())


class EventParser:
    """Bytes of a `text/event-stream` in, events out. Chunks may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterable[Event]:
        *blocks, self._rest = (self._rest + chunk).replace(b"\r\n", b"\n").split(b"\n\n")
        for block in blocks:
            name, data = "message", b""
            for line in block.split(b"\n"):
                field, _, value = line.partition(b":")
                if field == b"event":
                    name = value.strip().decode()
                elif field == b"data":
                    data += value.strip()
            if data:
                yield Event(name, msgspec.json.decode(data))


def _checked(status: int, body: bytes) -> Json:
    try:
        answer = msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise ApiError(status, "answer", body.decode(errors="replace")[:200]) from None
    if not isinstance(answer, dict):
        raise ApiError(status, "answer", "not an object")
    if answer.get("code", 0) != 0:
        raise ApiError(status, answer["code"], str(answer.get("description", "")))
    return answer
