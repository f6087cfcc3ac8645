"""Handing results to an original conductor by HTTP (contract satellite_protocol.md §5.3).

`GET /health` until it is healthy and primary, then `POST /api/app/finish_job`. Anything but an HTTP 2xx is
tried again after a second, without limit: temporary trouble must not lose a result. A 2xx is final, whatever
its `code` says.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec
import structlog

from satellite.jobs.attempt import Attempt
from shared.clock import Seconds

_RETRY: Seconds = 1.0
_TIMEOUT = aiohttp.ClientTimeout(total=30)
_MOST_AT_ONCE = 8

log = structlog.get_logger(__name__)


class Delivery:
    """One connection's results on their way. Owned and awaited by the connection."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        credentials: Callable[[], dict[str, str]],
        delivered: Callable[[Attempt], None],
        ssl: Any,
    ) -> None:
        self._session = session
        self._base_url = base_url
        self._credentials = credentials
        self._delivered = delivered
        self._ssl = ssl
        self._waiting: asyncio.Queue[tuple[Attempt, dict[str, Any]]] = asyncio.Queue()

    def deliver(self, attempt: Attempt, job: dict[str, Any]) -> None:
        self._waiting.put_nowait((attempt, job))

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(_MOST_AT_ONCE):
                group.create_task(self._take())

    async def _take(self) -> None:
        while True:
            attempt, job = await self._waiting.get()
            body = msgspec.json.encode({"id": attempt.key.id, **self._credentials(), "job": job})
            while True:
                if await self._healthy() and await self._post(attempt, body):
                    break
                await asyncio.sleep(_RETRY)
            self._delivered(attempt)

    async def _healthy(self) -> bool:
        try:
            async with self._session.get(
                f"{self._base_url}/health", timeout=_TIMEOUT, ssl=self._ssl
            ) as response:
                health = msgspec.json.decode(await response.read())
                return response.ok and isinstance(health, dict) and bool(health.get("master"))
        except (aiohttp.ClientError, TimeoutError, OSError, msgspec.DecodeError) as error:
            log.info("conductor is not healthy", error=str(error))
            return False

    async def _post(self, attempt: Attempt, body: bytes) -> bool:
        headers = {"Content-Type": "application/json"}
        try:
            async with self._session.post(
                f"{self._base_url}/api/app/finish_job",
                data=body,
                headers=headers,
                timeout=_TIMEOUT,
                ssl=self._ssl,
            ) as response:
                answer = await response.read()
                if not response.ok:
                    log.warning("result was not taken", job=attempt.key.id, status=response.status)
                    return False
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.warning("result was not taken", job=attempt.key.id, error=str(error))
            return False
        if b'"code":0' not in answer.replace(b" ", b""):
            log.warning(
                "result was refused", job=attempt.key.id, answer=answer[:200].decode(errors="replace")
            )
        return True
