"""The conductor dies at each step while jobs wait in queues and are tried again: each runs exactly once.

Every number of the ledger is a promise. Odd ones fail at their first attempt and are retried, so that each end
of theirs lets another job in; all of them pass through a queue that is shorter than the crowd is long.
"""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conductor.jobs import multiplex
from tests.chaos.cluster import PATIENCE, Cluster, cluster, restart, revived
from tests.chaos.test_fault_points import CONDUCTOR_POINTS
from tests.processes import ApiError, eventually

JOBS = 40

pytestmark = pytest.mark.timeout(180)

LIMITS = [
    {"type": "job", "enabled": True, "amount": 12},
    {"type": "queue", "enabled": True, "amount": 200},
    {"type": "retry", "enabled": True, "amount": 1, "duration": 0.2},
]


async def create_event(running: Cluster, **changes: Any) -> str:
    """Each attempt leaves its ID in the ledger; the first one of an odd number fails."""
    script = "\n".join(
        (
            "#!/bin/sh",
            f'echo "$JOB_ID" >> "{running.ledger}/$number"',
            'echo "attempt of $number"',
            "sleep 0.1",
            f'[ $((number % 2)) -eq 0 ] || [ $(wc -l < "{running.ledger}/$number") -ge 2 ]',
            "",
        )
    )
    definition = {
        "title": "Queues and retries", "enabled": True, "category": "general", "plugin": "shellplug",
        "targets": ["main"], "algo": "random", "triggers": [{"type": "manual", "enabled": True}],
        "params": {"script": script}, "limits": LIMITS, **changes,
    }  # fmt: skip
    running._event = str((await running.client.call("create_event", **definition))["event"]["id"])
    return running._event


async def all_kept(running: Cluster) -> None:
    """Each promise has its chain of records, one run for each of them, and nothing else is there."""
    records: dict[str, dict[str, Any]] = {}

    async def archived(job_id: str) -> dict[str, Any] | None:
        try:
            job = dict((await running.client.call("get_job", id=job_id))["job"])
        except (ApiError, aiohttp.ClientError, TimeoutError):
            return None
        return job if job.get("final") else None

    for job_id, number in running.promised.items():
        chain = [job_id]
        while True:
            last = chain[-1]
            record = await eventually(lambda last=last: archived(last), f"{last} ended", PATIENCE) or {}
            records[last] = record
            if not record.get("retried"):
                break
            assert record["code"] == 1, (record["code"], record["description"])
            chain.append(record["jobs"][0]["id"])
        assert records[chain[-1]]["code"] == 0, records[chain[-1]].get("description")
        assert len(chain) == 1 + int(number) % 2
        assert (running.ledger / number).read_text().split() == chain, f"runs of job {number}"
    rows = (await running.client.call("search_jobs", query=f"event:{running._event}", limit=1000))["rows"]
    assert sorted(row["id"] for row in rows) == sorted(records)
    assert (await running.client.call("get_active_jobs"))["rows"] == []
    state = [row for row in rows if not row.get("retried")]
    assert len(state) == len(running.promised)


async def test_job_engine_killed_again_and_again_among_queues_and_retries(tmp_path: Path) -> None:
    """Three deaths while forty jobs run, wait, and are tried again; calls go on all the time."""
    async with cluster(tmp_path) as running:
        await create_event(running)
        await running.promise_many(JOBS // 2)
        for share in range(3):
            await running.running(4 + 4 * share)
            calling = asyncio.create_task(running.promise_many(JOBS // 6))
            await restart(running.conductor)
            await calling
        await running.promise_many(JOBS - len(running.promised))
        await all_kept(running)


@pytest.mark.parametrize("point", CONDUCTOR_POINTS)
async def test_job_engine_dies_with_a_queue_at(point: str, tmp_path: Path) -> None:
    """Once at each step of a job's life, in the middle of a queue that moves by retries."""
    async with cluster(tmp_path, conductor_fault=f"{point}:5") as running:
        limits = [{**LIMITS[0], "amount": 2}, *LIMITS[1:]]
        await create_event(running, limits=limits)
        async with revived(running.conductor):
            await running.promise_many(6)
            await all_kept(running)
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"


@pytest.mark.parametrize(
    "point", ["conductor.accepted:1", "conductor.fanned_out:1", "conductor.sent:1", "conductor.settled:1"]
)
async def test_job_engine_multiplexes_once_for_each_server(point: str, tmp_path: Path) -> None:
    """Whenever the primary dies, the parent has exactly one sub-job on the server, and sums it up."""
    async with cluster(tmp_path, conductor_fault=point) as running:
        script = f'#!/bin/sh\necho "$JOB_ID" >> "{running.ledger}/$number"\nsleep 0.1\n'
        await create_event(running, algo="multiplex", params={"script": script}, limits=[])
        async with revived(running.conductor):
            parent = await running.promise()

            async def ended() -> dict[str, Any] | None:
                try:
                    job = dict((await running.client.call("get_job", id=parent))["job"])
                except (ApiError, aiohttp.ClientError, TimeoutError):
                    return None
                return job if job.get("final") else None

            record = await eventually(ended, "the parent ended", PATIENCE) or {}
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"
        stubs = record["workflow"]["jobs"][multiplex.NODE]
        assert (record["code"], [stub["code"] for stub in stubs]) == (0, [0])
        number = running.promised[parent]
        assert (running.ledger / number).read_text().split() == [stubs[0]["id"]]
        rows = (await running.client.call("search_jobs", query=f"event:{running._event}", limit=10))["rows"]
        assert sorted(row["id"] for row in rows) == sorted([parent, stubs[0]["id"]])
