from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from conductor.records.store import Records
from tests.integration.jobs.house import House, furnished
from tests.processes import redis_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def redis_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """One Redis for a module; each test has a prefix of its own."""
    async with redis_server(tmp_path_factory.mktemp("r")) as server:
        yield server.url


@pytest.fixture
async def house(redis_url: str, tmp_path: Path) -> AsyncIterator[House]:
    records = await Records.open(f"sqlite:///{tmp_path / 'records.db'}", readers=2)
    async with furnished(redis_url, records, tmp_path) as one:
        yield one
    await records.close()
