"""kill -9 of the primary around and during actions: each happens at least once and says when it was repeated, its
job exactly once."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.cluster import PATIENCE, Cluster, cluster, restart, revived
from tests.chaos.test_fault_points import ACTION_POINTS, LIMIT_POINTS
from tests.integration.outbound.peers import HttpPeer
from tests.processes import eventually

pytestmark = pytest.mark.timeout(120)

PLUGIN = 'echo "$job" >> "$ledger"\n'
SLOW = 'echo "$job" >> "$ledger"\nsleep 1\n'


async def with_actions(running: Cluster, marks: Path, script: str) -> None:
    """Jobs that leave their ID in `marks/start`, `marks/first` and `marks/second` by actions."""
    marks.mkdir()
    await running.client.call(
        "create_plugin",
        id="marks",
        title="Marks",
        type="action",
        enabled=True,
        command="/bin/sh",
        script=script,
    )

    def mark(condition: str, name: str) -> dict[str, Any]:
        params = {"job": "{{job.id}}", "ledger": str(marks / name)}
        return {
            "enabled": True,
            "condition": condition,
            "type": "plugin",
            "plugin_id": "marks",
            "params": params,
        }

    actions = [mark("start", "start"), mark("complete", "first"), mark("success", "second")]
    await running.create_event(lines=3, pause=0.02, actions=actions)


async def marked(running: Cluster, marks: Path) -> int:
    """How many actions were repeated, once every job has its three marks, and each repetition says so."""
    repeated = 0
    written = [Counter((marks / name).read_text().split()) for name in ("start", "first", "second")]
    for job_id in running.promised:
        job = (await running.client.call("get_job", id=job_id))["job"]
        own = [one for one in job["actions"] if one["type"] == "plugin"]
        assert [one["code"] for one in own] == [0, 0, 0], [one["description"] for one in own]
        for one, counts in zip(own, written, strict=True):
            again = int(one.get("repeated", 0))
            repeated += again
            assert 1 <= counts[job_id] <= 1 + again, (job_id, one)
            assert ("run again" in one["details"]) == bool(again)
    return repeated


@pytest.mark.parametrize("point", ACTION_POINTS)
async def test_the_conductor_dies_at(point: str, tmp_path: Path) -> None:
    async with cluster(tmp_path, conductor_fault=f"{point}:2") as running:
        await with_actions(running, tmp_path / "marks", PLUGIN)
        async with revived(running.conductor):
            await running.promise_many(3)
            await running.settled()
            repeated = await marked(running, tmp_path / "marks")
        assert (tmp_path / "conductor-died").exists(), "the point was never reached"
        if point in ("conductor.action_begun", "conductor.action_ran"):
            assert repeated, "what was under way is marked"


async def test_the_primary_is_killed_while_actions_run(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        marks = tmp_path / "marks"
        await with_actions(running, marks, SLOW)
        await running.promise_many(3)

        async def begun() -> bool:
            return (marks / "first").exists() and len((marks / "first").read_text().split()) >= 3

        await eventually(begun, "the actions of the end run", PATIENCE)
        await restart(running.conductor)
        await running.settled()
        assert await marked(running, marks) >= 3


@pytest.mark.parametrize("point", LIMIT_POINTS)
async def test_a_limit_is_told_whatever_dies(point: str, tmp_path: Path) -> None:
    hook = HttpPeer()
    await hook.start()
    fires = {"type": "time", "enabled": True, "duration": 0.2, "web_hook": "told", "text": "too long"}
    try:
        async with cluster(tmp_path, conductor_fault=f"{point}:2") as running:
            await running.client.call(
                "create_web_hook", id="told", title="Told", method="POST", url=hook.url, body="{{job.id}}"
            )
            await running.create_event(lines=30, pause=0.1, limits=[fires])
            async with revived(running.conductor):
                await running.promise_many(3)
                await running.settled()
            jobs = [(await running.client.call("get_job", id=one))["job"] for one in running.promised]
    finally:
        await hook.stop()
    assert (tmp_path / "conductor-died").exists(), "the point was never reached"
    told = Counter(body.decode() for _, _, _, body in hook.requests)
    for job in jobs:
        [limit] = job["limits"]
        assert (limit["code"], "active" in limit) == (0, False), limit
        assert 1 <= told[job["id"]] <= 1 + limit.get("repeated", 0)
    assert any(job["limits"][0].get("repeated") for job in jobs), "what was under way is marked"
