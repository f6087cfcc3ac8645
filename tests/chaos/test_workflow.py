"""The primary dies at random moments of a workflow with fan-out and join: the result is that of an undisturbed run.

Each script leaves its job ID in the ledger under its node's name, so that a node run twice, or left out, is seen.
"""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.chaos.cluster import PATIENCE, Cluster, cluster, restart, revived
from tests.processes import ApiError, eventually
from tests.unit.workflows.simulation import graph_of

pytestmark = pytest.mark.timeout(180)

WIDTH = 8
DEATHS = 6


def graph(event_id: str) -> dict[str, Any]:
    """Thirty nodes: a chain that fans out by item, by number and by hand, joins twice, and waits."""
    nodes: dict[str, Any] = {"t": "trigger"}
    wires: list[str] = []

    def job(name: str) -> str:
        nodes[name] = ("event", {"event": event_id, "params": {"node": name}})
        return name

    wires += [
        f"t -> {job('first')}",
        "first -success-> split",
        f"split -> {job('item')}",
        "item -continue-> j1",
    ]
    nodes["split"] = ("split", {"split": "data.list"})
    wires += ["first -success-> repeat", f"repeat -> {job('again')}", "again -continue-> j1"]
    nodes["repeat"] = ("repeat", {"repeat": 3})
    for number in range(WIDTH):
        one, two = job(f"left{number}"), job(f"right{number}")
        wires += [f"first -success-> {one}", f"{one} -success-> {two}", f"{two} -success-> j2"]
    nodes["j1"] = nodes["j2"] = "join"
    wires += [f"j1 -> {job('one')}", "one -success-> wait", f"wait -> {job('two')}"]
    nodes["wait"] = ("wait", {"wait": 1})
    wires += [f"j2 -> {job('three')}", "two -success-> j3", "three -success-> j3", f"j3 -> {job('last')}"]
    nodes["j3"] = "join"
    nodes["mark"] = ("action", {"enabled": True, "type": "label", "label": "done"})
    wires += ["wait -> mark"]
    return graph_of(*wires, **nodes)


EXPECTED = Counter(
    {
        "first": 1, "item": 3, "again": 3, "one": 1, "two": 1, "three": 1, "last": 1,
        **{f"{side}{number}": 1 for side in ("left", "right") for number in range(WIDTH)},
    }
)  # fmt: skip


async def create_workflow(running: Cluster) -> str:
    script = "\n".join(
        (
            "#!/bin/sh",
            f'echo "$JOB_ID" >> "{running.ledger}/$node"',
            "sleep 0.15",
            'echo \'{"xy":1,"code":0,"data":{"list":[1,2,3],"node":"\'"$node"\'"}}\'',
            "",
        )
    )
    common = {"enabled": True, "category": "general"}
    triggers = [{"id": "t", "type": "manual", "enabled": True}]
    event = {
        **common, "title": "A node", "plugin": "shellplug", "targets": ["main"], "triggers": triggers,
        "params": {"script": script},
    }  # fmt: skip
    event_id = str((await running.client.call("create_event", **event))["event"]["id"])
    flow = graph(event_id)
    assert len(flow["nodes"]) >= 30
    doc = {**common, "title": "Thirty nodes", "type": "workflow", "triggers": triggers, "workflow": flow}
    return str((await running.client.call("create_event", **doc))["event"]["id"])


async def ended(running: Cluster, job_id: str) -> dict[str, Any]:
    async def archived() -> dict[str, Any] | None:
        try:
            job = dict((await running.client.call("get_job", id=job_id))["job"])
        except (ApiError, aiohttp.ClientError, TimeoutError):
            return None
        return job if job.get("final") else None

    return await eventually(archived, f"workflow {job_id} has ended", PATIENCE) or {}


def shape(record: dict[str, Any]) -> dict[str, Any]:
    """What must be equal of two runs: result, sub-jobs, the state of each node but for its times."""
    workflow = record["workflow"]
    timeless = {
        key: {name: value for name, value in facts.items() if name in ("active", "count", "max", "error")}
        for key, facts in workflow["state"].items()
    }
    return {
        "code": record["code"],
        "description": record["description"],
        "ran": {node: len(stubs) for node, stubs in workflow["jobs"].items()},
        "codes": {
            node: sorted(str(stub["code"]) for stub in stubs) for node, stubs in workflow["jobs"].items()
        },
        "state": timeless,
        "lists": len(record["data"]["list"]),
    }


def assert_ran_once(running: Cluster, record: dict[str, Any]) -> None:
    """Every node has as many runs as the graph says, each started once, each known to the workflow."""
    runs = {file.name: file.read_text().split() for file in running.ledger.iterdir()}
    assert {name: len(jobs) for name, jobs in runs.items()} == dict(EXPECTED)
    assert all(len(set(jobs)) == len(jobs) for jobs in runs.values())
    known = {node: {stub["id"] for stub in stubs} for node, stubs in record["workflow"]["jobs"].items()}
    assert known == {name: set(jobs) for name, jobs in runs.items()}
    for file in running.ledger.iterdir():
        file.unlink()


async def test_a_workflow_ends_as_if_nobody_had_died(tmp_path: Path) -> None:
    async with cluster(tmp_path) as running:
        event_id = await create_workflow(running)
        undisturbed = await ended(running, await running.accepted(event_id, "undisturbed"))
        assert undisturbed["code"] == 0
        assert_ran_once(running, undisturbed)

        job_id = await running.accepted(event_id, "disturbed")
        moments = random.Random(4)
        for _ in range(DEATHS):
            await asyncio.sleep(moments.uniform(0.1, 0.9))  # a moment nobody chose
            await restart(running.conductor)
            await running.conductor.ready()
        disturbed = await ended(running, job_id)

        assert shape(disturbed) == shape(undisturbed)
        assert_ran_once(running, disturbed)


async def test_a_workflow_survives_a_death_between_a_step_and_what_follows_it(tmp_path: Path) -> None:
    async with cluster(tmp_path, conductor_fault="conductor.workflow") as running:
        event_id = await create_workflow(running)
        async with revived(running.conductor):
            record = await ended(running, await running.accepted(event_id, "faulted"))

        assert (tmp_path / "conductor-died").exists()
        assert record["code"] == 0
        assert_ran_once(running, record)
