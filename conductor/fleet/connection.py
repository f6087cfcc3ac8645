"""One websocket: frames in, frames out in order, with a bound on what a slow reader can make us hold."""

import asyncio
from collections import deque
from typing import Any

import structlog
from aiohttp import WSCloseCode, web

from shared import clock, ids
from shared.protocol.frames import Encoding, encoding_for

OUTBOX_BYTES = 64 * 1024 * 1024
"""A socket whose reader leaves more than this unread is closed."""

_DRAIN_POLL = 0.01  # a closing socket's last frames: not worth a condition of its own

log = structlog.get_logger(__name__)


class Connection:
    """A satellite's socket. `write_out` must be running; `send` never waits."""

    def __init__(self, websocket: web.WebSocketResponse, ip: str, host: str) -> None:
        self.id = ids.short_id("ws")
        self.ip = ip
        self.host = host
        """Host by which the peer reached us, without the port."""
        self.encoding: Encoding = encoding_for(websocket.ws_protocol)
        self.server_id = ""
        """Set when the socket has joined; cleared when a newer socket of that server takes over."""
        self.proven = False
        """Joined by proving its key instead of showing it."""
        self.stranger = True
        """Has not joined yet."""
        self.opened = clock.monotonic()
        self.ping_id = ""
        self.ping_sent = 0.0
        self.ping_answered = clock.monotonic()
        self.last_ping_ms = 0
        self.outbox_limit = OUTBOX_BYTES
        self._websocket = websocket
        self._outbox: deque[bytes] = deque()
        self._outbox_bytes = 0
        self._wake = asyncio.Event()
        self._writing = False

    @property
    def acknowledges(self) -> bool:
        """Whether the peer speaks `opsorbit.v1`."""
        return self.encoding.binary

    def send(self, cmd: str, data: Any) -> None:
        self.send_encoded(self.encoding.encode(cmd, data))

    def send_encoded(self, frame: bytes) -> None:
        """As `send`, of a frame in this socket's encoding: one for many sockets."""
        self._outbox.append(frame)
        self._outbox_bytes += len(frame)
        if self._outbox_bytes > self.outbox_limit:
            log.warning("a socket does not read, it is closed", server=self.server_id, ip=self.ip)
            self.terminate()
        self._wake.set()

    async def write_out(self) -> None:
        """Send what is in the outbox, in order, until cancelled or the peer is gone."""
        write = self._websocket.send_bytes if self.encoding.binary else self._write_text
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._outbox:
                frame = self._outbox.popleft()
                self._outbox_bytes -= len(frame)
                self._writing = True
                try:
                    await write(frame)
                except (ConnectionError, RuntimeError):
                    return
                finally:
                    self._writing = False

    async def drained(self) -> None:
        """Return when all that was sent so far is on its way; bound it, the peer may not read."""
        while self._outbox or self._writing:
            await asyncio.sleep(_DRAIN_POLL)

    async def answers(self, patience: float) -> bool:
        """Whether the peer answers a ping within `patience` seconds."""
        self.ping_id, self.ping_sent = ids.short_id("e"), clock.monotonic()
        before = self.ping_answered
        self.send("echo", {"id": self.ping_id, "last_ping_ms": self.last_ping_ms})
        deadline = self.ping_sent + patience
        while self.server_id and self.ping_answered == before and clock.monotonic() < deadline:
            await asyncio.sleep(_DRAIN_POLL)
        return bool(self.server_id) and self.ping_answered != before

    async def close(self, reason: bytes) -> None:
        await self._websocket.close(code=WSCloseCode.OK, message=reason)

    def terminate(self) -> None:
        """Drop the socket without a close frame: its peer does not answer."""
        self._outbox.clear()
        self._outbox_bytes = 0
        request = self._websocket._req  # noqa: SLF001 - aiohttp offers no way to drop a websocket at once
        if request is not None and request.transport is not None:
            request.transport.abort()

    async def _write_text(self, frame: bytes) -> None:
        await self._websocket.send_str(frame.decode())
