"""Files to and from the conductor by HTTP (contract satellite_protocol.md §5.4).

What may pass is tried again: a conductor that cannot be reached is waited for without limit, since its jobs
go on without it; one that is healthy and fails all the same is asked a few times.
"""

import asyncio
import hashlib
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import msgspec
import structlog

from satellite.handshake import call_credentials
from satellite.jobs.inputs import InputFile
from satellite.settings import Config
from satellite.tls import Tls, TlsError
from shared.clock import Seconds

T = TypeVar("T")

_CHUNK_BYTES = 256 * 1024
_TRIES = 8
_PATIENT_TRIES = 24
"""For a refusal that ends when our socket is joined again."""
_FIRST_DELAY: Seconds = 0.05
_LONGEST_DELAY: Seconds = 8.0
_HEALTH_EVERY: Seconds = 1.0
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)
_HEALTH_TIMEOUT = aiohttp.ClientTimeout(total=10)

log = structlog.get_logger(__name__)

Body = Callable[[], Awaitable[Any]]
"""Opens what is to be sent, anew for each try."""


class TransferError(Exception):
    """It has failed for good; the text says why."""


class _PassingError(Exception):
    """It may be tried again, after `delay` seconds where the conductor named them."""

    def __init__(
        self, text: str, delay: Seconds = 0.0, *, patient: bool = False, reached: bool = True
    ) -> None:
        super().__init__(text)
        self.delay = delay
        self.patient = patient
        self.reached = reached


class _Arrived:
    """What the part of a download is of that is on disk already."""

    tag = ""


class ConductorFiles:
    """One satellite's HTTP client for files. `open` it before use, in the loop that uses it."""

    def __init__(self, config: Config, base_url: Callable[[], str], tls: Tls) -> None:
        self._config = config
        self._base_url = base_url
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(auto_decompress=False)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def download(self, file: InputFile, target: Path) -> None:
        """Fetch into a new file of ours; what has arrived is not fetched again. Raises TransferError, OSError."""
        arrived = _Arrived()
        await self._persistently(lambda: self._fetch(file, target, arrived))
        if file.sha256 and await asyncio.to_thread(_sha256, target) != file.sha256:
            raise TransferError("it did not arrive as it was sent")

    async def upload(self, job_id: str, name: str, body: Body) -> tuple[str, int]:
        """Send an output file; returns its storage path and size. Raises TransferError, OSError."""
        return await self._persistently(lambda: self._send(job_id, name, body))

    async def _persistently(self, once: Callable[[], Awaitable[T]]) -> T:
        tries, delay = 0, _FIRST_DELAY
        while True:
            try:
                return await once()
            except _PassingError as error:
                text, named, patient, reached = str(error), error.delay, error.patient, error.reached
            except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
                text, named, patient, reached = str(error) or type(error).__name__, 0.0, False, False
            tries += 1
            if tries >= (_PATIENT_TRIES if patient else _TRIES):
                raise TransferError(text)
            await asyncio.sleep(min(named, 60.0) or delay)
            delay = min(delay * 2, _LONGEST_DELAY)
            if not reached:
                await self._until_healthy()

    async def _until_healthy(self) -> None:
        while True:
            try:
                async with self._get("health", timeout=_HEALTH_TIMEOUT) as response:
                    health = msgspec.json.decode(await response.read())
                    if response.ok and isinstance(health, dict) and health.get("master"):
                        return
            except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
                log.info("conductor is not healthy", error=str(error))
            await asyncio.sleep(_HEALTH_EVERY)

    async def _fetch(self, file: InputFile, target: Path, arrived: "_Arrived") -> None:
        """One try, from where the last one was broken off."""
        have = target.stat().st_size if arrived.tag and target.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": arrived.tag}
        async with self._get(file.path, headers=headers, timeout=_TIMEOUT) as response:
            if response.status == 416 and have:
                target.unlink()
                raise _PassingError("the file has changed")
            _check(response)
            append = response.status == 206 and have > 0
            arrived.tag = str(response.headers.get("ETag", ""))
            flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if append else os.O_TRUNC)
            with os.fdopen(os.open(target, flags, 0o600), "wb") as stream:
                async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                    await asyncio.to_thread(stream.write, chunk)

    async def _send(self, job_id: str, name: str, body: Body) -> tuple[str, int]:
        form = aiohttp.FormData(quote_fields=False)
        for key, value in {"id": job_id, **call_credentials(self._config.settings)}.items():
            form.add_field(key, value)
        content = await body()
        form.add_field("file1", content, filename=name, content_type="application/octet-stream")
        url = f"{self._base_url()}/api/app/upload_job_file"
        try:
            async with self._opened().post(url, data=form, timeout=_TIMEOUT, ssl=self._verify()) as response:
                _check(response)
                answer = _decoded(await response.read())
        finally:
            await _closed(content)
        if not isinstance(answer, dict):
            raise TransferError("the conductor's answer cannot be read")
        if answer.get("code"):
            text = str(answer.get("description") or answer["code"])
            if answer["code"] == "auth":
                raise _PassingError(text, patient=True)
            raise TransferError(text)
        return str(answer.get("key") or ""), int(answer.get("size") or 0)

    def _get(self, path: str, **options: Any) -> Any:
        return self._opened().get(f"{self._base_url()}/{path}", ssl=self._verify(), **options)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise TransferError("the satellite is stopping")
        return self._session

    def _verify(self) -> ssl.SSLContext | bool:
        try:
            return self._tls.check()
        except TlsError as error:
            raise TransferError(str(error)) from None


async def _closed(content: Any) -> None:
    """Let go of a body that may not have been sent to its end."""
    if hasattr(content, "aclose"):
        await content.aclose()
    else:
        content.close()


def _decoded(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError:
        raise TransferError("the conductor's answer cannot be read") from None


def _check(response: aiohttp.ClientResponse) -> None:
    if response.ok:
        return
    text = f"HTTP {response.status} {response.reason}"
    if response.status in _PASSING:
        after = response.headers.get("Retry-After", "")
        raise _PassingError(text, float(after) if after.isdigit() else 0.0, reached=response.status < 500)
    raise TransferError(text)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
