"""The conductor dies at each step while jobs wait in queues and are tried again: each runs exactly once.

Every number of the ledger is a promise. Odd ones fail at their first attempt and are retried, so that each end
of theirs lets another job in; all of them pass through a queue that is shorter than the crowd is long.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from conductor.jobs import multiplex
from tests.chaos.cluster import PATIENCE, Cluster, cluster, revived
from tests.chaos.test_fault_points import CONDUCTOR_POINTS
from tests.processes import ApiError, Conductor, eventually

JOBS = int(os.environ.get("OPSORBIT_CHAOS_JOBS", "200"))
"""More of them take longer and find more."""

pytestmark = pytest.mark.timeout(180)

LIMITS = [
    {"type": "job", "enabled": True, "amount": 12},
    {"type": "queue", "enabled": True, "amount": JOBS},
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


async def test_job_engine_dies_at_each_step_among_queues_and_retries(tmp_path: Path) -> None:
    """One death after the other, at every named step in turn, while jobs run, wait, and are tried again."""
    async with cluster(tmp_path) as running:
        await create_event(running)
        calls = [asyncio.create_task(running.promise_many(8))]
        await running.running(4)
        share = -(-(JOBS - 8) // len(CONDUCTOR_POINTS))
        await running.conductor.kill()
        for point in CONDUCTOR_POINTS:
            arm(running.conductor, f"{point}:3", tmp_path / f"died-{point}")
            running.conductor.start()
            calls.append(asyncio.create_task(running.promise_many(share)))
            await eventually(gone(running.conductor), f"it dies at {point}", PATIENCE)
            assert (tmp_path / f"died-{point}").exists(), f"it died of something else than {point}"
        arm(running.conductor, "", tmp_path)
        running.conductor.start()
        await asyncio.gather(*calls)
        await all_kept(running)


def arm(conductor: Conductor, fault: str, marker: Path) -> None:
    """At its next start the conductor has this fault, and no other."""
    for key in ("OPSORBIT_FAULT", "OPSORBIT_FAULT_ONCE"):
        conductor._environment.pop(key, None)
    if fault:
        conductor._environment |= {"OPSORBIT_FAULT": fault, "OPSORBIT_FAULT_ONCE": str(marker)}


def gone(conductor: Conductor) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return not conductor.running

    return look


@pytest.mark.parametrize("point", ["conductor.accepted:1", "conductor.fanned_out:1", "conductor.settled:1"])
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
