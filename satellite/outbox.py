"""Frames on their way to the conductor, for one connection.

Anything on the loop may put a frame without waiting; one task sends them in order. Bounded: log chunks are
held back by whoever ships them while `congested`, and samples and updates, which the next one replaces, are
dropped. Results are few and always kept.
"""

import asyncio
from collections import deque
from typing import Any

import aiohttp
import structlog

from shared import faults
from shared.protocol.frames import Encoding

_CONGESTED_BYTES = 8 * 1024 * 1024
_CONGESTED_FRAMES = 10_000
_REPLACEABLE = frozenset({"job_update", "jobs", "monitor", "quickmon"})
_SEND_TIMEOUT = 30.0


log = structlog.get_logger(__name__)


class Outbox:
    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._frames: deque[tuple[str, Any, int]] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    @property
    def congested(self) -> bool:
        return self._bytes > _CONGESTED_BYTES or len(self._frames) > _CONGESTED_FRAMES

    def put(self, cmd: str, data: Any, size: int = 0) -> None:
        """`size`: bytes of the payload where they are many."""
        if cmd in _REPLACEABLE and self.congested:
            return
        self._frames.append((cmd, data, size))
        self._bytes += size
        self._filled.set()

    async def send_all(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send until cancelled. Raises OSError or TimeoutError when the connection does not take frames."""
        send = socket.send_bytes if self._encoding.binary else self._sender_of_text(socket)
        while True:
            await self._filled.wait()
            while self._frames:
                cmd, data, size = self._frames.popleft()
                self._bytes -= size
                try:
                    message = self._encoding.encode(cmd, data)
                except (TypeError, ValueError, OverflowError, RecursionError) as error:
                    log.error("frame cannot be encoded", cmd=cmd, error=str(error))
                    continue
                if size:
                    # Only a large frame can meet a full transport; a timer for each small one costs more
                    # than sending it.
                    async with asyncio.timeout(_SEND_TIMEOUT):
                        await send(message)
                else:
                    await send(message)
                if cmd == "job_result":
                    faults.reach("satellite.result_sent")
            self._filled.clear()

    @staticmethod
    def _sender_of_text(socket: aiohttp.ClientWebSocketResponse) -> Any:
        async def send(message: bytes) -> None:
            await socket.send_str(message.decode())

        return send
