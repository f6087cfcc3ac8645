"""A real Redis server for one test."""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from conductor.live.embedded import EmbeddedRedis


@asynccontextmanager
async def redis_server(directory: Path | None = None) -> AsyncIterator[EmbeddedRedis]:
    """A running server with an append-only file, watched and started again when it dies."""
    with tempfile.TemporaryDirectory(prefix="redis-") as temporary:
        server = EmbeddedRedis(directory or Path(temporary), strict=False)
        await server.start()
        watching = asyncio.create_task(server.watch())
        try:
            yield server
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await server.stop()
