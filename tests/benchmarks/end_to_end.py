"""Jobs through a real satellite: run_event until the record is archived, a trivial command."""

from conductor.cli.fleet.satellite import NAME_PREFIX
from tests.benchmarks.report import Figure
from tests.benchmarks.target import CONCURRENCY, Target

_SCRIPT = "#!/bin/sh\necho done\n"
_LONG_SCRIPT = "#!/bin/sh\nsleep 5\n"
_SECONDS = 90.0
_WARM_UP_SECONDS = 15.0


async def end_to_end(target: Target) -> list[Figure]:
    server_id = await _real_server(target)
    if server_id is None:
        return [Figure("jobs, real satellite", None, "jobs/s", 14, note="no satellite is connected")]
    event_id = await target.create_event("Benchmark: trivial", [server_id], _SCRIPT)
    await target.run(event_id, connections=1, count=5, seconds=_WARM_UP_SECONDS)
    single = await target.run(event_id, connections=1, count=target.size.single_jobs, seconds=_SECONDS)
    many = await target.run(event_id, connections=CONCURRENCY, count=target.size.jobs, seconds=_SECONDS)
    long_id = await target.create_event("Benchmark: at once", [server_id], _LONG_SCRIPT)
    size = target.size.at_once
    crowd = await target.run(long_id, connections=size, count=size, seconds=_SECONDS)
    return [
        Figure(f"{size} jobs of 5 s at once, all done", crowd.done / crowd.rate, "s", lower_is_better=True),
        Figure("jobs, real satellite, 32 at a time", many.rate, "jobs/s", 14, note=f"{many.done} jobs"),
        Figure("one job, real satellite, p50", single.p50, "ms", 125, lower_is_better=True),
        Figure("one job, real satellite, p99", single.p99, "ms", lower_is_better=True),
    ]


async def _real_server(target: Target) -> str | None:
    for server in (await target.client.call("get_active_servers"))["rows"]:
        if not str(server.get("hostname", "")).startswith(NAME_PREFIX):
            return str(server["id"])
    return None
