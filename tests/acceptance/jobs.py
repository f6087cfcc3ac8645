"""What the tests do with jobs through the API alone."""

from typing import Any

from tests.processes import Client, eventually

FINISH_TIMEOUT = 30.0


async def create_event(client: Client, script: str, **changes: Any) -> str:
    """A Shell event with a manual trigger; returns its ID."""
    definition = {
        "title": "Acceptance",
        "enabled": True,
        "category": "general",
        "plugin": "shellplug",
        "targets": ["main"],
        "algo": "random",
        "triggers": [{"type": "manual", "enabled": True}],
        "params": {"script": f"#!/bin/sh\n{script}\n"},
        **changes,
    }
    return str((await client.call("create_event", **definition))["event"]["id"])


async def start(client: Client, script: str, **changes: Any) -> str:
    """Create such an event and run it; returns the job's ID."""
    return str((await client.call("run_event", id=await create_event(client, script, **changes)))["id"])


async def get_job(client: Client, job_id: str) -> dict[str, Any]:
    return dict((await client.call("get_job", id=job_id))["job"])


async def finished(client: Client, job_id: str) -> dict[str, Any]:
    """The job's archived record, once it is there."""

    async def archived() -> dict[str, Any] | None:
        job = await get_job(client, job_id)
        return job if job.get("final") else None

    return await eventually(archived, f"job {job_id} is archived", FINISH_TIMEOUT) or {}


async def live_log(client: Client, job_id: str, part: str) -> str:
    """The live log, once it has `part` in it."""

    async def tail() -> str:
        text = str((await client.call("tail_live_job_log", id=job_id))["text"])
        return text if part in text else ""

    return await eventually(tail, f"the log of {job_id} shows {part!r}")


async def active_ids(client: Client) -> list[str]:
    return [str(row["id"]) for row in (await client.call("get_active_jobs"))["rows"]]
