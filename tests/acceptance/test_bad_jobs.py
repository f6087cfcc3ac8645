"""Jobs that misbehave on a real host: bounded, said on the job, and nothing else is harmed (real processes)."""

import asyncio
import time
from typing import Any

import psutil

from tests.acceptance.jobs import create_event, finished, start
from tests.processes import Client, Deployment

MEGABYTE = 1024**2
LINE = 50_000_000
FLOOD = 100_000_000


async def waited(client: Client, event_id: str) -> tuple[float, dict[str, Any]]:
    """Run it and wait; the seconds that took, and its record."""
    began = time.monotonic()
    answer = await client.call("run_event/v1/wait", id=event_id)
    return time.monotonic() - began, answer["job"]


async def test_jobs_that_flood_fork_and_write_rubbish_harm_nobody(
    deployment: Deployment, client: Client
) -> None:
    assert deployment.conductor.pid is not None
    memory = psutil.Process(deployment.conductor.pid).memory_info
    before = memory().rss
    limit = {"type": "log", "enabled": True, "amount": 2 * MEGABYTE, "abort": True}
    # It ends by itself at some time: nobody's disk is filled if the limit should fail.
    flood = await start(client, f"yes 'a flood of output' | head -c {FLOOD}; sleep 60", limits=[limit])
    line = await start(client, f"head -c {LINE} /dev/zero | tr '\\0' x; echo")
    rubbish = await start(client, "printf 'a\\377\\376\\000b\\303\\n'; head -c 5000 /dev/urandom")
    fork = await start(client, "for i in 1 2 3 4 5; do (sleep 0.2; echo $i) & done; wait; echo parent")
    good = await create_event(client, "echo fine")
    slowest = 0.0
    for _ in range(20):
        seconds, job = await waited(client, good)
        assert (job["code"], job["output"]) == (0, "fine\n")
        slowest = max(slowest, seconds)
    assert slowest < 5, "a neighbour waits for nobody's flood"

    records = [await finished(client, one) for one in (flood, line, rubbish, fork)]
    flooded, lined, spoilt, forked = records
    # The host's limit or the conductor's: whichever sees it first.
    assert flooded["code"] == "abort", flooded["description"]
    assert "exceeded maximum size" in flooded["description"]
    assert lined["code"] == 0, lined["description"]
    assert lined["log_file_size"] == LINE + 1
    assert len(await client.fetch("/api/app/get_job_log/v1", id=line)) >= LINE
    assert spoilt["code"] == 0, spoilt["description"]
    assert (await client.fetch("/api/app/get_job_log/v1", id=rubbish)).startswith(b"a")
    assert (forked["code"], sorted(forked["output"].split())) == (0, ["1", "2", "3", "4", "5", "parent"])
    assert memory().rss - before < 150 * MEGABYTE
    await asyncio.gather(*(client.call("delete_job", id=record["id"]) for record in records))
