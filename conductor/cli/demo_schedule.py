"""The schedule in the demonstration: an event that is due fires by itself, fails, is tried again and succeeds."""

import asyncio
import shlex
import time
from pathlib import Path
from typing import Any

from conductor.cli.client import ApiError, Client, Json
from conductor.cli.view import View

TIMEOUT = 60.0
_POLL = 0.1
_MINUTE = 60
_SCRIPT = """#!/bin/sh
# The first attempt finds no marker, leaves one and fails; the second one finds it.
if [ -e MARKER ]; then
    echo '{"xy": 1, "complete": true, "code": 0, "description": "The peer answers"}'
    exit
fi
touch MARKER
echo '{"xy": 1, "complete": true, "code": 1, "description": "The peer does not answer"}'
"""


async def show_schedule(client: Client, view: View, folder: Path) -> None:
    """Show both attempts; `folder` is on the satellite's host. Raises ApiError, also when nothing fires in time."""
    minute = int(time.time()) // _MINUTE * _MINUTE
    definition = (await client.call("create_event", **event(minute, folder / "tried")))["event"]
    due = time.strftime("%H:%M", time.localtime(minute))
    view.step(f"The event “{definition['title']}” is due at {due}: the schedule fires it")
    try:
        async with asyncio.timeout(TIMEOUT):
            first = await _ended(client, f"event:{definition['id']} source:scheduler")
            view.step(f"Job {first['id']} has failed ({first['description']}) and is tried again")
            second = await _retry(client, first)
    except TimeoutError:
        raise ApiError(0, "schedule", f"{definition['title']}: no success within {TIMEOUT:g} s") from None
    view.step(f"Job {second['id']} has succeeded at the second attempt ({second['description']})")


def event(minute: int, marker: Path) -> dict[str, Any]:
    """A definition that is due at `minute`, which has begun: its catch-up has the schedule make up for it."""
    return {
        "title": "Ask a peer that wakes up slowly",
        "enabled": True,
        "category": "general",
        "plugin": "shellplug",
        "targets": ["main"],
        "algo": "random",
        "triggers": [
            {"type": "single", "enabled": True, "epoch": minute},
            {"type": "catchup", "enabled": True},
        ],
        "update_state": {"cursor": minute - _MINUTE},
        "limits": [{"type": "retry", "enabled": True, "amount": 1, "duration": 1}],
        "params": {"script": _SCRIPT.replace("MARKER", shlex.quote(str(marker)))},
    }


async def _ended(client: Client, query: str) -> Json:
    """The first record that a search finds, once there is one."""
    while not (rows := (await client.call("search_jobs", query=query, limit=1))["rows"]):
        await asyncio.sleep(_POLL)
    return dict(rows[0])


async def _retry(client: Client, first: Json) -> Json:
    """The record of the attempt that followed. Raises ApiError when it did not succeed."""
    job_id = next(str(one["id"]) for one in first["jobs"])
    while not (job := (await client.call("get_job", id=job_id))["job"]).get("final"):
        await asyncio.sleep(_POLL)
    if job["code"]:
        raise ApiError(0, job["code"], str(job.get("description", "")))
    return dict(job)
