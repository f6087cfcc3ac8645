"""The other side: an HTTP server and an SMTP server in this process."""

from collections.abc import AsyncIterator

import pytest

from conductor.outbound.http import HttpClient
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer, SmtpPeer


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
async def peer() -> AsyncIterator[HttpPeer]:
    one = HttpPeer()
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[HttpClient]:
    one = HttpClient(settings)
    yield one
    await one.close()


@pytest.fixture
async def smtp(settings: Settings) -> AsyncIterator[SmtpPeer]:
    """An SMTP server, which the settings name."""
    one = SmtpPeer()
    await one.start()
    settings.mail_settings = {"host": "127.0.0.1", "port": one.port}
    settings.email_from = "OpsOrbit <ops@example.com>"
    yield one
    await one.stop()
