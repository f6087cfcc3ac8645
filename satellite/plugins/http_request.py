"""`[http-plugin]`: one HTTP request as a job (contract plugins.md §3.4)."""

import asyncio
import json
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from satellite.plugins.http_params import HttpRequest, ParamsError, file_name, http_request, redacted
from satellite.plugins.http_report import report
from satellite.plugins.wire import Json, end, read_job, say
from shared.airgap import AirGap

_MOST_REDIRECTS = 32
_CHUNK_BYTES = 64 * 1024
_MOST_BODY_BYTES = 32 * 1024 * 1024
"""Of a body that is not downloaded: what is matched and parsed."""
_PROGRESS_EVERY = 0.5
_REDIRECTS = (301, 302, 303, 307, 308)


class Answer:
    """What came back."""

    def __init__(self, response: aiohttp.ClientResponse, times: dict[str, float]) -> None:
        self.status = response.status
        self.reason = response.reason or ""
        self.headers = response.headers
        self.url = str(response.url)
        self.content_type = response.headers.get("Content-Type", "")
        self.body = bytearray()
        self.size = 0
        self.cut = False
        self.charset = response.charset or "utf-8"
        self.times = times
        """Milliseconds."""

    @property
    def text(self) -> str:
        try:
            return self.body.decode(self.charset, errors="replace")
        except LookupError:
            return self.body.decode(errors="replace")

    @property
    def json(self) -> Any:
        """The body as JSON where it is or looks like an object; else None."""
        if self.cut or not ("json" in self.content_type or self.body.lstrip()[:1] == b"{"):
            return None
        with suppress(ValueError, RecursionError):
            return json.loads(bytes(self.body))
        return None


class RefusedError(Exception):
    """The air gap does not allow it."""


def main() -> int:
    job = read_job()
    given = job.get("secrets")
    secrets = given if isinstance(given, dict) else {}
    try:
        request = http_request(job)
        gap = AirGap.of(job.get("airgap") or {})
    except ParamsError as error:
        end(1, redacted(str(error), secrets))
        return 0
    except ValueError as error:
        end(1, f"The setting airgap is malformed: {error}")
        return 0
    print(redacted(f"{request.method} {request.url}", secrets), flush=True)
    result = asyncio.new_event_loop().run_until_complete(_carried_out(request, gap, secrets))
    say(_redacted(result, secrets))
    # A thread may still wait for a name server that does not answer; nobody waits for it.
    os._exit(0)


async def _carried_out(request: HttpRequest, gap: AirGap, secrets: Json) -> Json:
    """The result of the request, whatever happens."""
    try:
        async with asyncio.timeout(None) as deadline, _client(gap) as session:
            answer, file = await _exchange(session, request, deadline)
    except RefusedError as error:
        return _failure("airgap", str(error))
    except TimeoutError as error:
        return _failure("timeout", str(error) or f"The request timed out: {request.url}")
    except aiohttp.TooManyRedirects:
        return _failure(1, f"Too many redirects (at most {_MOST_REDIRECTS})")
    except aiohttp.InvalidURL as error:
        return _failure(1, f"Malformed URL: {error}")
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return _failure(_code_of(error), " ".join(str(error).split()) or type(error).__name__)
    return _result(request, answer, file, secrets)


def _result(request: HttpRequest, answer: Answer, file: str | None, secrets: Json) -> Json:
    data: Json = {
        "statusCode": answer.status,
        "statusMessage": answer.reason,
        "headers": {name.lower(): value for name, value in answer.headers.items()},
    }
    parsed = None if file else answer.json
    if parsed is not None:
        data["json"] = parsed
    shown = None if file else answer.text
    result: Json = {
        "data": data,
        "perf": {"scale": 1000, "perf": answer.times, "counters": {"bytes": answer.size}},
        "markdown": report(request, answer, shown, secrets),
        "complete": True,
    }
    if file:
        result["files"] = [file]
    code, description = _verdict(request, answer, shown)
    return result | {"code": code, "description": description}


def _verdict(request: HttpRequest, answer: Answer, text: str | None) -> tuple[int, str]:
    status = f"HTTP {answer.status} {answer.reason}".strip()
    if not 200 <= answer.status < 400:
        return answer.status, status
    if text is not None:
        if request.error_match and request.error_match.search(text):
            return 1, f"Response contains error match: {request.error_match.pattern}"
        if request.success_match and not request.success_match.search(text):
            return 1, f"Response missing success match: {request.success_match.pattern}"
    return 0, f"Success ({status})"


async def _exchange(
    session: aiohttp.ClientSession, request: HttpRequest, deadline: asyncio.Timeout
) -> tuple[Answer, str | None]:
    """The answer, and the file it was written to where it is a download."""
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    times: dict[str, float] = {}
    deadline.reschedule(loop.time() + request.timeout + request.connect_timeout)
    async with _followed(session, request) as response:
        times["wait"] = _ms(started)
        deadline.reschedule(None)  # from here on each piece has its own
        answer = Answer(response, times)
        name = None
        if request.download and answer.status < 400:
            disposition = response.headers.get("Content-Disposition", "")
            name = file_name(request.filename, disposition, answer.url, answer.content_type)
        received = time.monotonic()
        if name:
            with open(name, "wb") as file:  # noqa: ASYNC230 - this process does nothing else
                async for chunk in _chunks(response, answer, request.idle_timeout):
                    file.write(chunk)
        else:
            async for chunk in _chunks(response, answer, request.idle_timeout):
                room = _MOST_BODY_BYTES - len(answer.body)
                answer.cut = answer.cut or len(chunk) > room
                answer.body += chunk[: max(room, 0)]
        times["receive"] = _ms(received)
        times["total"] = _ms(started)
    return answer, name


async def _chunks(
    response: aiohttp.ClientResponse, answer: Answer, idle_timeout: float
) -> AsyncIterator[bytes]:
    """The body, telling how far it is. Raises TimeoutError after `idle_timeout` seconds of silence."""
    expected = response.content_length or 0
    told = time.monotonic()
    while True:
        async with asyncio.timeout(idle_timeout):
            chunk = await response.content.read(_CHUNK_BYTES)
        if not chunk:
            return
        answer.size += len(chunk)
        if expected and time.monotonic() - told > _PROGRESS_EVERY:
            told = time.monotonic()
            say({"progress": min(answer.size / expected, 1.0)})
        yield chunk


@asynccontextmanager
async def _followed(
    session: aiohttp.ClientSession, request: HttpRequest
) -> AsyncIterator[aiohttp.ClientResponse]:
    async with session.request(
        request.method,
        URL(request.url),
        headers=request.headers,
        data=request.body,
        allow_redirects=request.follow,
        max_redirects=_MOST_REDIRECTS,
        ssl=request.verify,
        timeout=aiohttp.ClientTimeout(
            total=None, connect=None, sock_connect=request.connect_timeout, sock_read=None
        ),
    ) as response:
        yield response


@asynccontextmanager
async def _client(gap: AirGap) -> AsyncIterator[aiohttp.ClientSession]:
    """Every address is checked when it is about to be connected to, those of redirects too."""

    def guarded(info: Any) -> socket.socket:
        family, kind, protocol, _, address = info
        if gap.enabled and (refusal := gap.refusal(str(address[0]))):
            raise RefusedError(refusal)
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        return made

    connector = aiohttp.TCPConnector(resolver=_Names(), socket_factory=guarded, use_dns_cache=False)
    async with aiohttp.ClientSession(
        connector=connector, trust_env=not gap.enabled, skip_auto_headers=("User-Agent",)
    ) as session:
        yield session


class _Names(AbstractResolver):
    """The system's resolver in a thread. A name server that does not answer must not hold up the end."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await asyncio.get_running_loop().getaddrinfo(
            host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
        )
        return [
            ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=int(address[1]),
                family=kind,
                proto=protocol,
                flags=0,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


def _failure(code: int | str, description: str) -> Json:
    return {"complete": True, "code": code, "description": description}


def _code_of(error: Exception) -> int | str:
    number = getattr(error, "errno", None) or getattr(getattr(error, "os_error", None), "errno", None)
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns"
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls"
    if isinstance(number, int):
        import errno

        return errno.errorcode.get(number, 1)
    return 1


def _redacted(result: Json, secrets: Json) -> Json:
    """The description alone: data is the job's own, and the report has been cleaned."""
    return {**result, "description": redacted(str(result["description"]), secrets)}


def _ms(since: float) -> float:
    return round((time.monotonic() - since) * 1000, 2)
