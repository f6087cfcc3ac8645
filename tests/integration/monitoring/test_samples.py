"""Samples on a real database: one that cannot be stored harms no other, and none is kept for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from conductor.monitoring.samples import Samples
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.records.store import Records
from tests.processes import eventually


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = await Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    await opened.close()


@pytest.fixture
async def samples(records: Records) -> AsyncIterator[Samples]:
    taken = Samples(records)
    running = asyncio.create_task(taken.run())
    yield taken
    assert not running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def server(server_id: str) -> dict[str, Any]:
    return {"id": server_id, "hostname": server_id, "groups": [], "info": {"cpu": {}}}


async def test_a_sample_that_is_no_json_harms_no_other(samples: Samples, records: Records) -> None:
    samples.minute(server("s1"), {"data": {"x": {("a", "tuple"): 1}}})
    samples.minute(server("s2"), {"data": {"load": [1, 10**30]}})
    stored = Documents(records, tables.samples)
    found = await eventually(lambda: stored.get("s2"), "the good one is stored")
    assert found is not None
    assert found["data"]["load"][0] == 1
    assert await samples.latest("s1") is None


async def test_of_servers_that_left_nothing_stays_in_memory(samples: Samples, records: Records) -> None:
    stored = Documents(records, tables.samples)
    samples.minute(server("early"), {"data": {"n": 1}})
    await eventually(lambda: stored.get("early"), "it is stored")
    samples.minute(server("late"), {"data": {"n": 2}})
    for server_id in ("early", "late"):
        samples.quick(server_id, {"n": 1})
        samples.forget(server_id)
    await eventually(lambda: stored.get("late"), "what came last is stored too")

    async def forgotten() -> bool:
        return not any((samples._minute, samples._quick, samples._offline))

    await eventually(forgotten, "nothing is kept")
    for server_id, number in (("early", 1), ("late", 2)):
        latest = await samples.latest(server_id)
        assert latest is not None
        assert latest["data"] == {"n": number}
