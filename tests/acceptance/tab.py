"""A browser's tab of a few lines: it logs in over HTTP and listens on the websocket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from tests.processes import Client

PATIENCE = 15.0

Json = dict[str, Any]


class Tab:
    """One logged-in page."""

    def __init__(self, client: Client, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.client = client
        self.socket = socket
        self.unread: list[tuple[str, Any]] = []
        self._news = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def send(self, cmd: str, data: Any) -> None:
        await self.socket.send_str(msgspec.json.encode({"cmd": cmd, "data": data}).decode())

    async def expect(self, cmd: str, fits: Callable[[Any], bool] = lambda _: True) -> Any:
        """The payload of the next frame with this command that fits; earlier ones that do not are kept."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for position, (name, data) in enumerate(self.unread):
                    if name == cmd and fits(data):
                        del self.unread[position]
                        return data
                assert not self._reading.done(), f"the socket was closed before {cmd}"
                self._news.clear()
                await self._news.wait()

    async def shows(self, loc: str) -> None:
        """Go to a page where nobody else is; return when the conductor knows."""
        await self.send("user_nav", {"loc": loc})
        await self.expect(
            "status",
            lambda data: any(at["loc"]["loc"] == loc for at in data.get("socketNav", {}).values()),
        )

    async def closed(self) -> None:
        """Return when the conductor has closed the socket."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([self._reading])

    async def leave(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self.socket.close()

    def stop_reading(self) -> None:
        """As a page whose computer sleeps."""
        assert self.socket._conn is not None
        self.socket._conn.transport.pause_reading()

    async def _read(self) -> None:
        try:
            async for message in self.socket:
                frame = msgspec.json.decode(message.data)
                if frame["cmd"] == "echo":
                    await self.send("echoback", frame["data"])
                else:
                    self.unread.append((frame["cmd"], frame["data"]))
                self._news.set()
        finally:
            self._news.set()


@asynccontextmanager
async def tab(url: str, username: str, password: str, **authenticate: Any) -> AsyncIterator[Tab]:
    """A page of that user, logged in over HTTP and on the socket."""
    async with Client(url) as client:
        await client.login(username, password)
        socket = await client.session.ws_connect(url, max_msg_size=0)
        page = Tab(client, socket)
        await page.send("authenticate", {"attempt": 1, **authenticate})
        await page.expect("login", lambda data: bool(data["version"]))
        try:
            yield page
        finally:
            await page.leave()
