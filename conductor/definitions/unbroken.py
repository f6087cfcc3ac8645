"""Changes that a vanished caller must not leave half done."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

log = structlog.get_logger(__name__)


async def unbroken(change: Coroutine[Any, Any, None]) -> None:
    """Run `change` to its end even if the caller is cancelled: memory must not miss what SQL has.

    `change` bounds its own time. The cancellation is raised after it.
    """
    task = asyncio.ensure_future(change)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            log.warning("a change failed after its caller had gone", error=str(error))
        raise
