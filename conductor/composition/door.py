"""The way in: the API's kernel over all endpoints, and the sockets it listens on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from conductor.access.sso import logout_url
from conductor.api.health import Health
from conductor.api.kernel import Kernel
from conductor.api.openapi import OpenApi
from conductor.api.patience import PatientServer
from conductor.api.registry import Registry
from conductor.api.sessions import SessionCalls
from conductor.api.sso import SsoDoor
from conductor.composition.data_dir import emptied
from conductor.composition.endpoints import endpoints
from conductor.composition.rooms import Rooms
from conductor.settings import Settings
from conductor.tls import server_context

STOP_SECONDS = 5.0
"""Callers get this long to be answered once the conductor stops."""

log = structlog.get_logger("conductor")


def kernel_of(rooms: Rooms) -> Kernel:
    """The kernel that answers every request."""
    ground, access = rooms.ground, rooms.access
    settings, leadership = ground.settings, ground.leadership

    async def records_answer() -> bool:
        return await ground.records.read(lambda sql: sql.exec_driver_sql("SELECT 1").scalar() == 1)

    session_calls = SessionCalls(
        access.accounts,
        ground.definitions,
        ground.signals,
        leadership,
        rooms.fleet.picture.live,
        access.security,
        logout_url(settings.SSO),
    )
    sso = SsoDoor(
        settings, access.accounts, access.changes, session_calls, leadership, ground.signals, pages=None
    )
    registry = Registry(endpoints(rooms, session_calls, sso))
    metrics = rooms.housekeeping.metrics
    health = Health(leadership, metrics, {"redis": ground.redis.ping, "database": records_answer})
    return Kernel(
        registry,
        access.accounts,
        leadership,
        settings,
        metrics=metrics,
        sockets=rooms.fleet.sockets.accept,
        raw=(*health.uris(), OpenApi(registry.endpoints, ground.release).uri()),
        pages=sso.page,
        upload_folder=emptied(ground.data_dir / "uploads"),
    )


@asynccontextmanager
async def listening(kernel: Kernel, settings: Settings) -> AsyncIterator[None]:
    """Answer callers on the ports of the settings until the block is left. Raises OSError for a port in use."""
    server = PatientServer(kernel.handle, settings.WebServer.timeout)
    runner = web.ServerRunner(server, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    where = settings.WebServer
    site = web.TCPSite(runner, where.bind, where.port, backlog=1024)
    try:
        await site.start()
        log.info("listening", host=where.bind, port=where.port)
        if where.https:
            context = await asyncio.to_thread(server_context, where)
            await web.TCPSite(runner, where.bind, where.https_port, backlog=1024, ssl_context=context).start()
            log.info("listening with TLS", host=where.bind, port=where.https_port)
        yield
    finally:
        await runner.cleanup()
