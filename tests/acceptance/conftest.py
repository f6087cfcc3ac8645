from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.acceptance.agent import PROTOCOLS, Agent, Station, station
from tests.databases import postgres
from tests.processes import Client, Deployment, deployed

__all__ = ["admin", "agent", "alone", "client", "deployment", "postgres", "subprotocol"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Deployment]:
    """A conductor and a satellite as real processes on embedded defaults, shared by a module's tests."""
    # A unix socket's path has to be short, and those of tmp_path carry the test's name.
    folder: Path = tmp_path_factory.mktemp("d")
    async with deployed(folder) as running:
        yield running


@pytest_asyncio.fixture
async def client(deployment: Deployment) -> AsyncIterator[Client]:
    """An administrator's, by API key."""
    async with Client(deployment.url, deployment.api_key) as open_client:
        yield open_client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def alone(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Station]:
    """A conductor without a satellite, for tests that are the satellites themselves."""
    async with station(tmp_path_factory.mktemp("c")) as running:
        yield running


@pytest_asyncio.fixture
async def admin(alone: Station) -> AsyncIterator[Client]:
    """An administrator's client of that conductor."""
    async with alone.client() as open_client:
        yield open_client


@pytest.fixture(params=PROTOCOLS, ids=["base", "opsorbit.v1"])
def subprotocol(request: pytest.FixtureRequest) -> str:
    """Tests with this run over both encodings of the wire."""
    return str(request.param)


@pytest_asyncio.fixture
async def agent(alone: Station, subprotocol: str) -> AsyncIterator[Agent]:
    """A satellite that has joined."""
    async with alone.agent(subprotocol) as joining:
        await joining.join()
        yield joining
