"""One open connection: handshake, then commands until it ends (contract satellite_protocol.md §2)."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import structlog

from satellite.commands import Commands, MonitorPlugins
from satellite.handshake import Introduction, ReconnectError, RefusedError, call_credentials, hello
from satellite.jobs.held import HeldJobs
from satellite.outbox import Outbox
from satellite.plugins import tools
from satellite.plugins.scripts import PluginScripts
from satellite.reports.acknowledged import AcknowledgedReports
from satellite.reports.base import BaseReports
from satellite.reports.delivery import Delivery
from satellite.settings import Config
from satellite.tls import Tls
from satellite.upgrade import Upkeep
from shared.clock import Seconds
from shared.ids import hex_id
from shared.protocol.frames import SUBPROTOCOL, Frame, FrameError, encoding_for

_HANDSHAKE_TIMEOUT: Seconds = 30.0

log = structlog.get_logger(__name__)

Joined = Callable[[Outbox, int], None]
"""Told of a joined connection: its outbox, and how many servers the conductor has."""


@dataclass(frozen=True)
class Parts:
    """What outlives connections and is served by each of them."""

    config: Config
    jobs: HeldJobs
    scripts: PluginScripts
    monitors: MonitorPlugins
    host_info: Callable[[], Awaitable[tuple[str, dict[str, Any]]]]
    """Gives (host name, `hello.info`)."""
    tls: Tls
    upkeep: Upkeep
    instance: str = field(default_factory=hex_id)
    """Of this process: tells a reconnection from a second satellite with our ID."""

    def verify_tls(self) -> ssl.SSLContext | bool:
        """How every connection to the conductor checks its certificate. Raises TlsError."""
        return self.tls.check()


class Connection:
    def __init__(
        self,
        parts: Parts,
        socket: aiohttp.ClientWebSocketResponse,
        session: aiohttp.ClientSession,
        base_url: str,
        joined: Joined,
    ) -> None:
        self._parts = parts
        self._socket = socket
        self._base_url = base_url
        self._on_joined = joined
        self._is_joined = False
        self._introduction: Introduction | None = None
        self._encoding = encoding_for(socket.protocol)
        self._outbox = Outbox(self._encoding)
        self._delivery: Delivery | None = None
        acknowledged = AcknowledgedReports(self._outbox) if socket.protocol == SUBPROTOCOL else None
        if acknowledged is None:
            self._delivery = Delivery(
                session,
                base_url,
                lambda: call_credentials(parts.config.settings),
                parts.jobs.discard,
                parts.verify_tls(),
            )
        self._reports = acknowledged
        self._commands = Commands(
            parts.config,
            parts.jobs,
            parts.scripts,
            parts.monitors,
            acknowledged,
            self._outbox.put,
            parts.upkeep,
        )

    async def serve(self) -> None:
        """Until the connection ends. Raises a group with the reason, or returns when it was closed."""
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._outbox.send_all(self._socket), name="outbox")]
                if self._delivery is not None:
                    tasks.append(group.create_task(self._delivery.run(), name="delivery of results"))
                await self._read()
                for task in tasks:
                    task.cancel()
        finally:
            if self._is_joined:
                self._parts.jobs.detach()

    async def _read(self) -> None:
        settings = self._parts.config.settings
        hostname, info = await self._parts.host_info()
        self._outbox.put("hello", hello(settings, hostname, info | self._own_info()))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(_HANDSHAKE_TIMEOUT) as deadline:
            async for message in self._socket:
                if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    continue
                try:
                    frame = self._encoding.decode(message.data)
                except FrameError as error:
                    log.warning("rubbish from the conductor", error=str(error)[:200])
                    continue
                if self._receive(frame):
                    deadline.reschedule(loop.time() + settings.ping_timeout_sec)
        log.info("the conductor closed the connection", code=self._socket.close_code)

    def _own_info(self) -> dict[str, Any]:
        return {"instance": self._parts.instance, "tools": tools.available()}

    def _receive(self, frame: Frame) -> bool:
        """True: a sign of life that counts (contract §1.1: an echo; and the join itself)."""
        body = frame.body()
        match frame.cmd:
            case "echo":
                self._outbox.put("echoback", frame.data)
                return self._is_joined
            case "auth_failure":
                raise RefusedError(str(body.get("description", "")))
            case "redirect":
                raise ReconnectError(str(body.get("host") or ""))
            case "retry":
                raise ReconnectError
            case "hello" if not self._is_joined:
                self._answer(body)
            case "joined" if not self._is_joined and self._introduction is not None:
                self._join(body)
                return True
            case _ if self._is_joined:
                self._commands.handle(frame)
        return False

    def _answer(self, body: dict[str, Any]) -> None:
        config = self._parts.config
        given = body.get("id")
        if isinstance(given, str) and given and given != config.settings.server_id:
            config.keep(server_id=given)
        self._introduction = Introduction(config.settings, body)
        self._outbox.put("join", self._introduction.body)

    def _join(self, body: dict[str, Any]) -> None:
        assert self._introduction is not None  # noqa: S101 - `_receive` has looked
        self._introduction.check(body)
        if self._introduction.proven:
            self._parts.config.keep(require_proof=True)
        self._commands.joined(body)
        self._is_joined = True
        log.info("joined", url=self._base_url, server=self._parts.config.settings.server_id)
        if self._reports is not None:
            self._parts.jobs.attach(self._reports)
        elif self._delivery is not None:
            reports = BaseReports(self._outbox, self._base_url.split("/")[2], self._delivery.deliver)
            self._parts.jobs.attach(reports)
        self._parts.upkeep.report(self._outbox.put)
        servers = body.get("numServers")
        self._on_joined(self._outbox, servers if isinstance(servers, int) and servers > 0 else 1)
