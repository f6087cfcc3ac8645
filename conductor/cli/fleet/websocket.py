"""A websocket client of the least possible cost (RFC 6455 without extensions)."""

import asyncio
import base64
import os
from collections.abc import Callable

_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_FIN = 0x80
_MASKED = 0x80
# Clients must mask; a key of zeros leaves the payload as it is, so that one frame can be sent many times.
_NO_MASK = b"\0\0\0\0"
_HANDSHAKE_TIMEOUT = 10.0
_PONG_TIMEOUT = 60.0


class UpgradeError(Exception):
    """The server did not accept the upgrade."""


class WebSocket(asyncio.Protocol):
    """Calls `on_message(payload)` with each whole message, be it text or binary."""

    def __init__(self, on_message: Callable[[bytes], None]) -> None:
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._parts = bytearray()
        self._opened: asyncio.Future[str] | None = None
        self._pongs: list[asyncio.Future[None]] = []
        self._writable = asyncio.Event()
        self._writable.set()
        self.closed = asyncio.Event()
        """The connection has ended."""
        self.subprotocol = ""
        """What the server chose of what was offered."""

    async def open(self, host: str, port: int, subprotocol: str = "") -> None:
        """Connect and upgrade. Raises UpgradeError, OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        self._opened = loop.create_future()
        self._buffer.clear()
        self._parts.clear()
        self.closed.clear()
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT):
            await loop.create_connection(lambda: self, host, port)
            lines = [
                "GET / HTTP/1.1",
                f"Host: {host}:{port}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                "Sec-WebSocket-Version: 13",
                f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}",
                *([f"Sec-WebSocket-Protocol: {subprotocol}"] if subprotocol else []),
            ]
            self._write("\r\n".join([*lines, "", ""]).encode())
            await self._opened

    def send(self, frame: bytes) -> None:
        """Send what `frame` has made."""
        self._write(frame)

    async def drain(self) -> None:
        """Return when the transport takes more."""
        await self._writable.wait()

    async def read_by_peer(self) -> None:
        """Return when the peer has read everything sent so far: it answers a ping in order."""
        pong = asyncio.get_running_loop().create_future()
        self._pongs.append(pong)
        self._write(frame(b"", _PING))
        async with asyncio.timeout(_PONG_TIMEOUT):
            await pong

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        self.closed.set()
        for waiting in [self._opened, *self._pongs]:
            if waiting is not None and not waiting.done():
                waiting.set_exception(exc or ConnectionError("the server closed the websocket"))

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._opened is not None and not self._opened.done() and not self._handshake(self._opened):
            return
        self._frames()

    def _handshake(self, opened: "asyncio.Future[str]") -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *headers = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        if " 101 " not in f"{first} ":
            opened.set_exception(UpgradeError(first))
            return False
        named = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in headers)
        }
        # At once: the first frame may be in the same bytes.
        self.subprotocol = named.get("sec-websocket-protocol", "")
        opened.set_result(self.subprotocol)
        return True

    def _frames(self) -> None:
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1] & 0x7F, at + 2
            if size >= 126:
                width = 2 if size == 126 else 8
                if len(buffer) < start + width:
                    break
                size = int.from_bytes(buffer[start : start + width])
                start += width
            if len(buffer) < start + size:
                break
            first, at = buffer[at], start + size
            self._frame(first, bytes(buffer[start:at]))
        del buffer[:at]

    def _frame(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if opcode == _PING:
            self._write(frame(payload, _PONG))
        elif opcode == _PONG:
            if self._pongs:
                waiting = self._pongs.pop(0)
                if not waiting.done():
                    waiting.set_result(None)
        elif opcode == _CLOSE:
            self.close()
        else:
            self._parts += payload
            if first & _FIN:
                message = bytes(self._parts)
                self._parts.clear()
                self._on_message(message)

    def _write(self, data: bytes) -> None:
        if self._transport is None:
            raise ConnectionError("the websocket is closed")
        self._transport.write(data)


def text_frame(payload: bytes) -> bytes:
    return frame(payload, _TEXT)


def binary_frame(payload: bytes) -> bytes:
    return frame(payload, _BINARY)


def frame(payload: bytes, opcode: int) -> bytes:
    size = len(payload)
    if size < 126:
        head = bytes((_FIN | opcode, _MASKED | size))
    elif size < 65536:
        head = bytes((_FIN | opcode, _MASKED | 126)) + size.to_bytes(2)
    else:
        head = bytes((_FIN | opcode, _MASKED | 127)) + size.to_bytes(8)
    return head + _NO_MASK + payload
