from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.databases import postgres
from tests.processes import Client, Deployment, deployed

__all__ = ["client", "deployment", "postgres"]


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
