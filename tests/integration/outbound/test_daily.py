"""Daily caps over restarts."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conductor.definitions.state import GlobalState
from conductor.outbound import daily
from conductor.outbound.daily import DailyCounts, local_day
from conductor.records.store import Records


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[Records]:
    opened = await Records.open(f"sqlite:///{tmp_path / 'records.db'}")
    yield opened
    await opened.close()


async def test_platform_7_a_cap_holds_over_a_restart_and_among_simultaneous_takers(records: Records) -> None:
    state = GlobalState(records)
    counts = DailyCounts(state)
    taken = await asyncio.gather(*(counts.take("mail", 5) for _ in range(20)))
    assert taken.count(True) == 5
    again = GlobalState(records)
    await again.load()
    assert not await DailyCounts(again).take("mail", 5)
    assert await DailyCounts(again).take("mail", 6)
    assert await DailyCounts(again).take("web_hooks/w1", 1)


async def test_each_local_day_begins_anew(records: Records, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = DailyCounts(GlobalState(records), "Pacific/Auckland")
    moment = 1_800_000_000.0
    monkeypatch.setattr(daily, "now", lambda: moment)
    assert await counts.take("mail", 1)
    assert not await counts.take("mail", 1)
    moment += 86_400
    assert await counts.take("mail", 1)


def test_days_are_local() -> None:
    assert local_day(1_800_000_000, "Pacific/Auckland") == "2027-01-15"
    assert local_day(1_800_000_000, "America/Los_Angeles") == "2027-01-15"
    assert local_day(1_800_010_000 + 7 * 3600, "America/Los_Angeles") == "2027-01-15"
    assert local_day(1_800_010_000 + 7 * 3600, "Pacific/Auckland") == "2027-01-16"
