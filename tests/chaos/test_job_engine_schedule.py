"""kill -9 of the conductor while the schedule launches: nothing is lost, nothing runs twice (durability.md, 1)."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chaos.cluster import Cluster, cluster, revived
from tests.chaos.test_fault_points import SCHEDULE_POINTS
from tests.processes import ApiError, eventually

RUNS = 8

pytestmark = pytest.mark.timeout(120)


@pytest.mark.parametrize("point", SCHEDULE_POINTS)
async def test_the_conductor_dies_while_the_schedule_launches_at(point: str, tmp_path: Path) -> None:
    times = 3 if point == "conductor.due" else 1
    async with cluster(tmp_path, conductor_fault=f"{point}:{times}") as running:
        minute = int(time.time()) // 60 * 60
        singles = [
            {"type": "single", "enabled": True, "epoch": minute - 60 * back} for back in range(1, RUNS + 1)
        ]
        await running.create_event(
            lines=1,
            pause=0,
            fields=[{"id": "number", "type": "text", "title": "Number", "value": "all"}],
            triggers=[*singles, {"type": "catchup", "enabled": True}],
            update_state={"cursor": minute - 60 * (RUNS + 1)},
        )
        async with revived(running.conductor):
            jobs = await eventually(lambda: ended(running), "every run has ended", 60.0)
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"
        assert sorted(job["now"] for job in jobs) == sorted(one["epoch"] for one in singles)
        ran = (running.ledger / "all").read_text().split()
        assert sorted(ran) == sorted(job["id"] for job in jobs)


async def ended(running: Cluster) -> list[dict[str, Any]]:
    """The ended jobs, once there are enough of them and none is active."""
    with suppress(aiohttp.ClientError, ApiError, TimeoutError):
        rows = list((await running.client.call("search_jobs", query="source:scheduler", limit=100))["rows"])
        active = (await running.client.call("get_active_jobs"))["rows"]
        if len(rows) >= RUNS and not active:
            return rows
    return []
