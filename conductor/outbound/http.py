"""The guarded HTTP client: the one way out of the conductor for HTTP (contract access.md §10).

Every connection's address is checked after its name was resolved, and the checked address is the one that is
connected to, so that a name which changes its meaning in between leads nowhere. Redirects are followed here,
one checked request each. Size and time of every answer are bounded.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from yarl import URL

from conductor.settings import Settings
from shared.airgap import AirGap
from shared.clock import monotonic

MOST_REDIRECTS = 32
ANSWER_BYTES = 1024**2
"""Of an answer's body that is kept unless the caller asks for more."""
_BEYOND_TIMEOUT = 120.0
"""Seconds that a whole request may take beyond the wait for its first byte."""
_LONGEST_TIMEOUT = 3600.0
_CONNECTIONS = 64
_REDIRECTS = (301, 302, 303, 307, 308)
_KEPT_ELSEWHERE = ("accept", "content-type", "idempotency-key", "user-agent")
"""Headers that follow a redirect to another host; any other one may hold a credential."""
_AS_IT_IS = "%/:=&?~#+!$,;'@()*[]|"
_METHOD = re.compile(r"[A-Za-z]{1,20}")


class HttpFailed(Exception):
    """No answer: refused by the air gap, not reachable, broken, or too slow. The text is for people."""

    def __init__(self, reason: str, *, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient
        """Whether another try may succeed."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes
    truncated: bool
    """The body was longer than what was asked for, and its rest was not read."""
    url: str
    """Where the answer came from, after redirects."""
    redirects: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    """`first_byte` and `total`, of all redirects together."""

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        kind = self.headers.get("Content-Type", "")
        charset = kind.partition("charset=")[2].partition(";")[0].strip("\"' ") or "utf-8"
        try:
            return self.body.decode(charset, errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")


class HttpClient:
    """`request` opens the client on first use; `close` ends it. Proxies of the environment are not used."""

    def __init__(self, settings: Settings, *, resolver: Callable[[], AbstractResolver] | None = None) -> None:
        """`resolver` makes what turns names into addresses; by default that of the system."""
        self._settings = settings
        self._resolver = resolver or aiohttp.ThreadedResolver
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        timeout: float = 30.0,
        follow: bool = False,
        verify: bool = True,
        limit: int = ANSWER_BYTES,
    ) -> Answer:
        """Send one request. `timeout`: seconds to the first byte, and of silence later. Raises HttpFailed.

        `follow`: through at most 32 redirects; to another host only harmless headers go along.
        """
        if not _METHOD.fullmatch(method):
            raise HttpFailed(f"Malformed method: {method[:40]}")
        timeout = min(max(timeout, 0.1), _LONGEST_TIMEOUT)
        try:
            async with asyncio.timeout(timeout + _BEYOND_TIMEOUT):
                return await self._follow(
                    method.upper(), url, headers or {}, body, timeout, follow, verify, limit
                )
        except TimeoutError:
            raise HttpFailed(f"Timed out after {timeout:g} seconds", transient=True) from None

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _follow(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout: float,
        follow: bool,
        verify: bool,
        limit: int,
    ) -> Answer:
        started = monotonic()
        target = _target(url)
        carried = _headers(headers)
        waited = 0.0
        for redirects in range(MOST_REDIRECTS + 1):
            asked = monotonic()
            async with self._send(method, target, carried, body, timeout, verify) as response:
                waited += monotonic() - asked
                onward = response.headers.get("Location") if response.status in _REDIRECTS else None
                if not (follow and onward):
                    content, truncated = await _read(response, limit)
                    return Answer(
                        status=response.status,
                        reason=response.reason or "",
                        headers=response.headers.copy(),
                        body=content,
                        truncated=truncated,
                        url=str(target),
                        redirects=redirects,
                        seconds={"first_byte": round(waited, 3), "total": round(monotonic() - started, 3)},
                    )
                response.close()
                following = _target(str(_joined(target, onward)))
            if following.origin() != target.origin():
                carried = CIMultiDict(
                    (name, value) for name, value in carried.items() if name.lower() in _KEPT_ELSEWHERE
                )
            if response.status == 303 or (response.status in (301, 302) and method == "POST"):
                method, body = ("HEAD" if method == "HEAD" else "GET"), b""
                carried.popall("Content-Type", None)
            target = following
        raise HttpFailed(f"Too many redirects (at most {MOST_REDIRECTS})")

    def _send(
        self, method: str, url: URL, headers: Mapping[str, str], body: bytes, timeout: float, verify: bool
    ) -> "_Request":
        if self._session is None:
            self._session = self._open()
        gap = self._gap()
        host = url.host or ""
        # The connector asks no resolver for these.
        if (":" in host or host.replace(".", "").isdigit()) and (refusal := gap.refusal(host)):
            raise HttpFailed(refusal)
        return _Request(
            self._session.request(
                method,
                url,
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=None, connect=timeout, sock_connect=timeout, sock_read=timeout
                ),
                ssl=verify,
            ),
            timeout,
        )

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=_Guarded(self._resolver(), self._gap), limit=_CONNECTIONS, use_dns_cache=False
        )
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False, auto_decompress=True
        )

    def _gap(self) -> AirGap:
        """Read at each use: the settings may change while we run."""
        try:
            return AirGap.of(self._settings.airgap)
        except ValueError as error:
            raise HttpFailed(f"The setting airgap is malformed: {error}") from None


class _Guarded(AbstractResolver):
    """Resolves a name to the addresses that may be connected to. All of them are refused: so is the name."""

    def __init__(self, resolver: AbstractResolver, gap: Callable[[], AirGap]) -> None:
        self._resolver = resolver
        self._gap = gap

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        gap = self._gap()
        refusals = [gap.refusal(one["host"]) for one in found]
        allowed = [one for one, refusal in zip(found, refusals, strict=True) if not refusal]
        if not allowed:
            raise HttpFailed(refusals[0] if refusals else f"No address for {host}")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()


class _Request:
    """An exchange whose errors are HttpFailed."""

    def __init__(self, exchange: Any, timeout: float) -> None:
        self._exchange = exchange
        self._timeout = timeout

    async def __aenter__(self) -> aiohttp.ClientResponse:
        try:
            response: aiohttp.ClientResponse = await self._exchange.__aenter__()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _failed(error, self._timeout) from None
        return response

    async def __aexit__(self, *exception: Any) -> None:
        await self._exchange.__aexit__(*exception)
        error = exception[1]
        if isinstance(error, aiohttp.ClientError | OSError):  # while the answer was read
            raise _failed(error, self._timeout) from None


def _failed(error: Exception, timeout: float) -> HttpFailed:
    if isinstance(error, TimeoutError):
        return HttpFailed(f"Timed out after {timeout:g} seconds", transient=True)
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return HttpFailed(f"TLS: {error}")
    reason = " ".join(str(error).split()) or type(error).__name__
    return HttpFailed(reason[:500], transient=not isinstance(error, aiohttp.InvalidURL | ValueError))


async def _read(response: aiohttp.ClientResponse, limit: int) -> tuple[bytes, bool]:
    content = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        content += chunk
        if len(content) > limit:
            response.close()
            return bytes(content[:limit]), True
    return bytes(content), False


def _target(url: str) -> URL:
    try:
        url = url.strip()
        # What is percent-encoded stays so: `%2F` is not `/` to everybody.
        target = URL(quote(url, safe=_AS_IT_IS), encoded=True) if url.isascii() else URL(url)
        usable = target.scheme in ("http", "https") and bool(target.host)
    except ValueError:
        usable = False
    if not usable:
        raise HttpFailed("Malformed URL: it must begin with http:// or https:// and name a host")
    return target


def _joined(base: URL, location: str) -> URL:
    try:
        return base.join(URL(quote(location, safe=_AS_IT_IS), encoded=True))
    except ValueError:
        raise HttpFailed("Malformed redirect") from None


def _headers(headers: Mapping[str, str]) -> CIMultiDict[str]:
    for name, value in headers.items():
        if not name or not name.isascii() or any(ord(char) <= 32 or char in ':"' for char in name):
            raise HttpFailed(f"Malformed header name: {name[:100]!r}")
        if any(char in value for char in "\r\n\0"):
            raise HttpFailed(f"Malformed header value: {name}")
    return CIMultiDict(headers)
