"""Results of simulated satellites of the base protocol, as agents deliver them: again until they are taken."""

import asyncio
from collections import deque
from contextlib import suppress
from urllib.parse import urlsplit

from conductor.cli.fleet.keepalive import KeepAlive, request_bytes

_CONNECTIONS = 4
_RETRY_SECONDS = 1.0


class Delivery:
    """A few kept-alive connections that carry the results of all satellites; one that is lost is dialled anew."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._idle: list[KeepAlive] = []
        self._carrying: dict[KeepAlive, bytes] = {}
        self._waiting: deque[bytes] = deque()
        self._dialling: set[asyncio.Task[None]] = set()
        self._closed = False
        self.refused = 0

    async def open(self) -> None:
        """Raises OSError when nobody listens."""
        for _ in range(_CONNECTIONS):
            await self._dial()

    def post(self, path: str, body: bytes) -> None:
        """Send now or as soon as a connection is idle. What waits is bounded by the jobs in flight."""
        self._waiting.append(request_bytes("POST", path, "", f"{self._host}:{self._port}", body))
        self._go_on()

    def close(self) -> None:
        self._closed = True
        for task in self._dialling:
            task.cancel()
        for connection in (*self._idle, *self._carrying):
            connection.close()

    def _go_on(self) -> None:
        while self._waiting and self._idle:
            connection = self._idle.pop()
            request = self._waiting.popleft()
            self._carrying[connection] = request
            connection.send(request)
        open_ones = len(self._idle) + len(self._carrying) + len(self._dialling)
        if self._waiting and open_ones < _CONNECTIONS and not self._closed:
            task = asyncio.ensure_future(self._dial_again())
            self._dialling.add(task)
            task.add_done_callback(self._dialled)

    async def _dial(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: KeepAlive(self._answered, self._lost), self._host, self._port
        )
        self._idle.append(connection)

    async def _dial_again(self) -> None:
        try:
            await self._dial()
        except OSError:
            await asyncio.sleep(_RETRY_SECONDS)

    def _dialled(self, task: "asyncio.Task[None]") -> None:
        self._dialling.discard(task)
        if not self._closed:
            self._go_on()

    def _answered(self, connection: KeepAlive, status: int, body: bytes) -> None:
        self._carrying.pop(connection, None)
        if status != 200 or b'"code":0' not in body:
            self.refused += 1
        self._idle.append(connection)
        self._go_on()

    def _lost(self, connection: KeepAlive) -> None:
        with suppress(ValueError):
            self._idle.remove(connection)
        if request := self._carrying.pop(connection, None):
            self._waiting.appendleft(request)
        if not self._closed:
            self._go_on()
