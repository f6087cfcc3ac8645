"""Jobs of one workflow beside the same jobs on their own: what the graph costs."""

import asyncio
import time
from typing import Any

from conductor.cli.client import ApiError
from conductor.cli.fleet.satellite import fleet
from shared.protocol.frames import SUBPROTOCOL
from tests.benchmarks.report import Figure
from tests.benchmarks.target import CONCURRENCY, Target, shell_event

_SATELLITES = 4
_SECONDS = 120.0
_POLL_SECONDS = 0.05


async def split(target: Target) -> list[Figure]:
    """One split of trivial jobs, and as many plain jobs, through simulated satellites."""
    count = target.size.workflow_jobs
    async with fleet(target.client, _SATELLITES, SUBPROTOCOL) as satellites:
        if not satellites[0].acknowledges:
            return []
        targets = [satellite.id for satellite in satellites]
        event_id = await target.create_event("Benchmark: node", targets, "#!/bin/sh\ntrue\n")
        workflow_id = await _create_workflow(target, event_id, targets)
        await _run(target, workflow_id, 20)
        plain = await target.run(event_id, connections=CONCURRENCY, count=count, seconds=_SECONDS)
        rate = count / await _run(target, workflow_id, count)
    note = f"{count} jobs; the same jobs on their own: {plain.rate:,.0f}/s, {rate / plain.rate:.0%} of that"
    return [Figure("jobs of one workflow's split, simulated satellites", rate, "jobs/s", note=note)]


async def _create_workflow(target: Target, event_id: str, targets: list[str]) -> str:
    def node(id: str, type: str, **data: Any) -> dict[str, Any]:
        return {"id": id, "type": type, "x": 0, "y": 0, "data": data}

    doc = {
        **shell_event("Benchmark: split", targets, ""),
        "type": "workflow",
        "triggers": [{"id": "t", "type": "manual", "enabled": True}],
        "workflow": {
            "nodes": [
                node("t", "trigger"),
                node("s", "controller", controller="split", split="data.items"),
                node("a", "event", event=event_id),
            ],
            "connections": [
                {"id": "c1", "source": "t", "dest": "s"},
                {"id": "c2", "source": "s", "dest": "a"},
            ],
        },
    }
    return str((await target.client.call("create_event", **doc))["event"]["id"])


async def _run(target: Target, workflow_id: str, count: int) -> float:
    """Seconds from the call to the workflow's archived record."""
    began = time.perf_counter()
    given = {"data": {"items": list(range(count))}}
    job_id = (await target.client.call("run_event", id=workflow_id, input=given))["id"]
    while True:
        try:
            job = (await target.client.call("get_job", id=job_id, remove="workflow,data"))["job"]
        except ApiError as error:
            if error.code != "notfound":
                raise
        else:
            if job.get("final"):
                break
        if time.perf_counter() - began > _SECONDS:
            raise TimeoutError(f"the workflow did not end within {_SECONDS:g} s")
        await asyncio.sleep(_POLL_SECONDS)
    if job["code"] != 0:
        raise LookupError(f"the workflow ended with {job['code']}: {job['description']}")
    return time.perf_counter() - began
