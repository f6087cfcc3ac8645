"""One logged-in browser: its socket, its account, where it is; and how its socket ends."""

import asyncio
from dataclasses import dataclass

import structlog

from conductor.access.account import Account
from conductor.fleet.browser_pages import NOWHERE, Location
from conductor.fleet.connection import Connection

_CLOSE_SECONDS = 2.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Browser:
    """One logged-in socket."""

    connection: Connection
    account: Account
    session_key: str
    deltas: bool
    location: Location = NOWHERE
    search: asyncio.Task[None] | None = None
    """A search in the files of jobs that is under way."""
    fresh: bool = True
    """Has had no status yet: its first one is whole."""


async def close(connection: Connection) -> None:
    """Close once what was sent is on its way, or after a while in any case."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.drained()
            await connection.close(b"Session ended")
    except (TimeoutError, ConnectionError):
        connection.terminate()
    except Exception:  # one socket's trouble must not end the others' news
        log.exception("a browser could not be closed", socket=connection.id)
        connection.terminate()
