"""Tasks of the conductor, each owned by the stack that entered it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger("conductor")


@asynccontextmanager
async def owned_task(running: Coroutine[Any, Any, None], name: str) -> AsyncIterator[None]:
    """Run `running` until the block is left, then cancel and await it; a failure before is logged."""
    task = asyncio.create_task(running, name=name)
    task.add_done_callback(_note_failure)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await task


def _note_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("a part of the conductor failed", part=task.get_name(), exc_info=error)
