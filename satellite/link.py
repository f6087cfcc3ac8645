"""The link to the conductor: dial, serve the connection, and dial again for ever.

Contract satellite_protocol.md §1.1. One connection at a time; jobs go on without one.
"""

import asyncio
from typing import Any

import aiohttp
import structlog

from satellite.connection import Connection, Parts
from satellite.handshake import NoCredentialsError, ReconnectError, RefusedError, choose_host
from satellite.outbox import Outbox
from satellite.settings import Config
from satellite.tls import TlsError
from shared.backoff import Backoff
from shared.clock import Seconds
from shared.protocol.frames import MAX_FRAME_BYTES, SUBPROTOCOL

_CLOSE_TIMEOUT: Seconds = 2.0

log = structlog.get_logger(__name__)


class Link:
    def __init__(self, config: Config) -> None:
        self._config = config
        self._host = choose_host(config.settings, "")
        self._admitted = ""
        """The last host at which we joined."""
        self._outbox: Outbox | None = None
        self.servers = 1
        """Servers connected to the conductor, ours included: spreads the samples of many."""
        self.joined = asyncio.Event()

    def base_url(self) -> str:
        """Of the conductor we are, or were last, connected to."""
        settings = self._config.settings
        return f"{'https' if settings.secure else 'http'}://{self._host}:{settings.port}"

    def send(self, cmd: str, data: Any) -> None:
        """Send to the joined conductor; without one it is dropped."""
        if self._outbox is not None:
            self._outbox.put(cmd, data)

    async def run(self, parts: Parts) -> None:
        """Connect, and connect again, until cancelled. Raises NoCredentialsError."""
        settings = self._config.settings
        backoff = Backoff(settings.socket_reconnect_delay_sec, settings.socket_reconnect_delay_max)
        refusals = Backoff.after_refusal(settings.auth_retry_delay_sec)
        redirect = ""
        failed: set[str] = set()
        async with aiohttp.ClientSession() as session:
            while True:
                if failed.issuperset({*self._config.settings.hosts, self._admitted} - {""}):
                    failed.clear()
                self._host = choose_host(self._config.settings, redirect, failed, self._admitted)
                redirect = ""
                wait = backoff
                try:
                    await self._connect(parts, session, backoff)
                except RefusedError as error:
                    log.error("the conductor refused us", host=self._host, description=str(error))
                    wait = refusals
                except ReconnectError as error:
                    log.info("sent away by the conductor", host=self._host, to=error.host)
                    redirect = error.host
                    failed.clear()
                else:
                    failed.add(self._host)
                    refusals.opened()
                delay = wait.delay()
                if wait is refusals:
                    refusals.failed()
                log.info("dialling again", seconds=round(delay, 1))
                await asyncio.sleep(delay)

    async def _connect(self, parts: Parts, session: aiohttp.ClientSession, backoff: Backoff) -> None:
        """One connection from dialling to its end. Raises what the handshake raises."""
        settings = self._config.settings
        url = self.base_url()
        try:
            await parts.tls.prepare(session, url)
            async with asyncio.timeout(settings.connect_timeout_sec):
                socket = await session.ws_connect(
                    url.replace("http", "ws", 1) + "/",
                    protocols=(SUBPROTOCOL,),
                    max_msg_size=MAX_FRAME_BYTES,
                    ssl=parts.verify_tls(),
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_TIMEOUT),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, TlsError) as error:
            log.warning("cannot connect", url=url, error=str(error) or type(error).__name__)
            backoff.failed()
            return
        backoff.opened()
        log.info("connected", url=url, protocol=socket.protocol or "base")
        try:
            await Connection(parts, socket, session, url, self._attach).serve()
        except* (RefusedError, ReconnectError, NoCredentialsError) as group:
            raise group.exceptions[0] from None
        except* (aiohttp.ClientError, TimeoutError, OSError) as group:
            log.warning("connection lost", url=url, error=str(group.exceptions[0]) or "timeout")
        finally:
            self._outbox = None
            self.joined.clear()
            await socket.close()

    def _attach(self, outbox: Outbox, servers: int) -> None:
        self._outbox = outbox
        self._admitted = self._host
        self.servers = servers
        self.joined.set()
