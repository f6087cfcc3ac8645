"""The connection to Redis and its scripts."""

import asyncio
from importlib import resources
from pathlib import Path
from typing import Any

import redis.asyncio as redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, ReadOnlyError, TimeoutError
from redis.retry import Retry

from conductor.errors import Unavailable

AWAY = (ConnectionError, TimeoutError, BusyLoadingError, ReadOnlyError, OSError)
"""Errors that mean: Redis cannot be asked now. What was asked may or may not have happened."""

_TIMEOUT = 5.0


class _Client(redis.Redis):
    """Bounds each command itself: the library does so with `asyncio.wait_for`, in which up to Python 3.11 a
    cancellation is lost that comes together with the answer, and a term would not end."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with asyncio.timeout(_TIMEOUT):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


def connect(url: str) -> "redis.Redis":
    """A client for `redis://`, `rediss://` or `unix://`; connects at its first command.

    It never repeats a command by itself: callers know which of theirs may be repeated. Raises Unavailable for
    a URL that is none.
    """
    try:
        return _Client.from_url(
            url,
            socket_timeout=None,
            socket_connect_timeout=_TIMEOUT,
            retry=Retry(NoBackoff(), 0),
            max_connections=64,
        )
    except ValueError as error:
        raise Unavailable(f"The redis_url cannot be read: {error}") from None


def unix_url(socket: Path) -> str:
    return f"unix://{socket}"


def script(name: str) -> str:
    """The source of `scripts/NAME.lua`."""
    return resources.files(__package__).joinpath("scripts", f"{name}.lua").read_text()


def text(value: bytes | str) -> str:
    """A reply of Redis as text."""
    return value.decode() if isinstance(value, bytes) else value
