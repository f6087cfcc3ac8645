"""The websocket endpoint: every satellite's socket from upgrade to close."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

import msgspec
import structlog
from aiohttp import WSMsgType, web

from conductor.announcer import Signals
from conductor.errors import Deposed, Unavailable
from conductor.fleet.browser import Browser
from conductor.fleet.browsers import Browsers
from conductor.fleet.connection import Connection
from conductor.fleet.inbox import Inbox
from conductor.fleet.joining import Joining, Visitor
from conductor.fleet.refusals import Refusals
from conductor.fleet.roster import Roster
from conductor.jobs.engine import JobEngine
from conductor.monitoring.samples import Samples
from conductor.settings import Settings
from conductor.signals import Actor, ServerRemoved
from shared import clock, ids
from shared.protocol.frames import MAX_FRAME_BYTES, SUBPROTOCOL, Frame, FrameError
from shared.protocol.updates import storable

JOIN_SECONDS = 30.0
"""A socket that has not joined by then is dropped."""
_BAD_FRAMES = 100
"""After this many malformed frames a socket is closed: it is broken or hostile."""
_EARLY_FRAMES = 100
"""Frames a socket may send before it has joined."""
_EARLY_BYTES = 1024 * 1024
"""Size of one of them; a hello has a few KB."""

log = structlog.get_logger(__name__)


class Leadership(Protocol):
    @property
    def primary(self) -> bool: ...
    @property
    def primary_host(self) -> str: ...


class Term(Protocol):
    """What sockets need of the primary's present term."""

    engine: JobEngine
    joining: Joining


class Sockets:
    """Accepts sockets and serves them. `term` is set while this conductor is primary."""

    def __init__(
        self, roster: Roster, samples: Samples, settings: Settings, signals: Signals, leadership: Leadership
    ) -> None:
        self._roster = roster
        self._samples = samples
        self._settings = settings
        self._signals = signals
        self._leadership = leadership
        self._open: set[Connection] = set()
        self._strangers: Counter[str] = Counter()
        self.refusals = Refusals()
        self.term: Term | None = None
        self.browsers: Browsers | None = None
        """Serves the sockets on which users log in."""

    async def accept(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one websocket until it closes."""
        ip = request.remote or ""
        if not self._has_room(ip):
            return web.Response(status=429, text="429 Too Many Requests", headers={"Retry-After": "30"})
        websocket = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,), max_msg_size=MAX_FRAME_BYTES, heartbeat=None, compress=False
        )
        await websocket.prepare(request)
        connection = Connection(
            websocket, ip, request.host.rsplit(":", 1)[0] if request.host else "localhost"
        )
        self._open.add(connection)
        self._strangers[ip] += 1
        writing = asyncio.create_task(connection.write_out(), name=f"socket {connection.id}")
        try:
            await self._serve(websocket, connection, request)
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing
            self._open.discard(connection)
            self._closed(connection)
        return websocket

    def _has_room(self, ip: str) -> bool:
        """Whether one more stranger may come from this address."""
        settings = self._settings
        if self._strangers[ip] >= settings.max_sockets_per_ip:
            return False
        if self._strangers.total() >= settings.max_sockets_waiting:
            return False
        failures = self.refusals.failures(ip, clock.monotonic())
        return failures < settings.max_failed_joins_per_address

    async def heartbeat(self) -> None:
        """Ping every socket and drop the dead, once a second until cancelled."""
        while True:
            await asyncio.sleep(1)
            now = clock.monotonic()
            for connection in list(self._open):
                self._check(connection, now)

    async def close_all(self) -> None:
        """The term has ended: satellites look for the new primary."""
        self.term = None
        for connection in list(self._open):
            connection.terminate()

    # One socket

    async def _serve(
        self, websocket: web.WebSocketResponse, connection: Connection, request: web.BaseRequest
    ) -> None:
        visitor: Visitor | None = None
        browser: Browser | None = None
        inbox: Inbox | None = None
        bad = early = 0
        async for message in websocket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            if inbox is None and len(message.data) > _EARLY_BYTES:
                log.warning("a socket sends too much before it has joined, it is closed", ip=connection.ip)
                break
            try:
                frame = connection.encoding.decode(message.data)
                if frame.cmd == "echoback":
                    self._answered(connection, frame)
                elif inbox is not None:
                    if not self._leadership.primary:
                        break  # what it tells is for the next primary, and so is the next look at its jobs
                    if not connection.server_id:
                        break  # a newer socket of the same server has taken over
                    await inbox.take(frame)
                elif browser is not None and self.browsers is not None:
                    self.browsers.take(browser, frame)
                elif (early := early + 1) > _EARLY_FRAMES:
                    log.warning("a socket floods before it has joined, it is closed", ip=connection.ip)
                    break
                elif frame.cmd == "hello" and visitor is None:
                    visitor = self._hello(connection, frame)
                elif frame.cmd == "join" and visitor is not None:
                    inbox = await self._join(connection, visitor, frame.body())
                elif frame.cmd == "authenticate" and visitor is None and self.browsers is not None:
                    browser = await self.browsers.log_in(connection, request, frame)
                    if browser is not None:
                        self._no_stranger(connection)
            except (FrameError, msgspec.ValidationError) as error:
                bad += 1
                if bad == 1:
                    log.warning(
                        "bad frame", server=connection.server_id, ip=connection.ip, error=str(error)[:200]
                    )
                if bad > _BAD_FRAMES:
                    log.warning(
                        "too many bad frames, socket closed", server=connection.server_id, ip=connection.ip
                    )
                    break
            except (Unavailable, Deposed) as error:
                log.warning("a frame could not be served", server=connection.server_id, error=str(error))
                break  # the satellite comes back and tells again
            except Exception:
                # Closing the socket would bring the same frame back with the next one, each second.
                bad += 1
                if bad == 1:
                    log.exception("a frame failed", server=connection.server_id)
                if bad > _BAD_FRAMES:
                    break

    def _hello(self, connection: Connection, frame: Frame) -> Visitor | None:
        if self._leadership.primary and self.term is not None:
            if not storable(frame.data):
                raise FrameError("a hello that cannot be stored")
            return self.term.joining.hello(connection, frame.body())
        host = self._leadership.primary_host
        if host and host != self._settings.host_id():
            connection.send("redirect", {"host": host})
        else:
            connection.send("retry", {})
        return None

    async def _join(self, connection: Connection, visitor: Visitor, data: Mapping[str, Any]) -> Inbox | None:
        term = self.term
        if term is None:
            connection.send("retry", {})
            return None
        record = await term.joining.join(connection, visitor, data)
        if record is None:
            return None
        self._no_stranger(connection)
        if not connection.acknowledges:
            term.engine.server_joined(connection.server_id)
        return Inbox(connection, term.engine, self._samples, self._roster, self._signals)

    def _no_stranger(self, connection: Connection) -> None:
        connection.stranger = False
        self._strangers[connection.ip] -= 1

    def _closed(self, connection: Connection) -> None:
        if self.browsers is not None:
            self.browsers.left(connection)
        record = self._roster.leave(connection)
        if connection.stranger:
            self._strangers[connection.ip] -= 1
        if self._strangers[connection.ip] <= 0:
            del self._strangers[connection.ip]
        if record is None:
            return
        server_id = connection.server_id
        log.info("satellite left", server=server_id, hostname=record["hostname"])
        self._samples.forget(server_id)
        record["modified"] = int(clock.now())
        lost = ServerRemoved(server=record, actor=Actor(kind="satellite", id=server_id))
        if self.term is None:
            self._signals.publish(lost)
        else:
            self._signals.publish_logged(lost)
            text = f"Lost connection to remote server: {record['hostname']} ({record.get('ip')})"
            self.term.engine.server_left(server_id, text)
            self.term.engine.in_background(self.term.joining.save_left(lost))

    # Heartbeat

    def _check(self, connection: Connection, now: float) -> None:
        if connection.stranger and now - connection.opened > JOIN_SECONDS:
            connection.terminate()
        elif connection.ping_id and now - connection.ping_answered > self._settings.ping_timeout_sec:
            log.warning("a socket is dead", server=connection.server_id, ip=connection.ip)
            connection.terminate()
        elif now - connection.ping_sent >= self._settings.ping_freq_sec:
            if not connection.ping_id:
                connection.ping_answered = now
            connection.ping_id = ids.short_id("e")
            connection.ping_sent = now
            connection.send("echo", {"id": connection.ping_id, "last_ping_ms": connection.last_ping_ms})

    @staticmethod
    def _answered(connection: Connection, frame: Frame) -> None:
        now = clock.monotonic()
        if frame.body().get("id") == connection.ping_id:
            connection.ping_answered = now
            connection.last_ping_ms = round((now - connection.ping_sent) * 1000)
        else:
            connection.last_ping_ms = 0
