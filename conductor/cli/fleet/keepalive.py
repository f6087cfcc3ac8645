"""HTTP/1.1 over one kept-alive connection, one request at a time, with as little work as possible."""

import asyncio
from collections.abc import Callable

OnResponse = Callable[["KeepAlive", int, bytes], None]
OnLost = Callable[["KeepAlive"], None]


class KeepAlive(asyncio.Protocol):
    """Calls `on_response(self, status, body)` for each answer and `on_lost(self)` when the peer closes.

    Knows bodies by Content-Length, chunked ones only by their last bytes: enough because an answer is
    never followed by another before the next request is sent.
    """

    def __init__(self, on_response: OnResponse, on_lost: OnLost) -> None:
        self._on_response = on_response
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._body_start = 0
        self._end = 0
        """Where the answer in the buffer ends; 0 before its head is complete, -1 for a chunked one."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._on_lost(self)

    def send(self, request: bytes) -> None:
        if self._transport is None:
            raise ConnectionError("the connection is closed")
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        if self._end == 0:
            head_end = buffer.find(b"\r\n\r\n")
            if head_end < 0:
                return
            self._body_start = head_end + 4
            self._end = _answer_end(bytes(buffer[:head_end]).lower(), self._body_start)
        if self._end < 0:
            if not buffer.endswith(b"0\r\n\r\n"):
                return
        elif len(buffer) < self._end:
            return
        status, body = int(buffer[9:12]), bytes(buffer[self._body_start :])
        buffer.clear()
        self._end = 0
        self._on_response(self, status, body)


def _answer_end(head: bytes, body_start: int) -> int:
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return -1 if b"\r\ntransfer-encoding:" in head else body_start
    return body_start + int(head[at + 17 :].split(b"\r\n", 1)[0])


def request_bytes(method: str, path: str, api_key: str, host: str, body: bytes = b"") -> bytes:
    """A whole request, ready to be sent as often as wanted."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: keep-alive"]
    if api_key:
        lines.append(f"X-API-Key: {api_key}")
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
