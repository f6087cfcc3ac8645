"""API calls at 16 connections: reads of definitions and jobs, the search, and creating events."""

from conductor.cli.client import Json
from conductor.cli.fleet.satellite import fleet
from shared.protocol.frames import SUBPROTOCOL
from tests.benchmarks.report import Figure
from tests.benchmarks.target import Target, shell_event

_CONNECTIONS = 16
_SECONDS = 20.0
_EVENTS = 50
_LIMIT = 50
_FILL_CONNECTIONS = 64
_FILL_SECONDS = 240.0
_SCRIPT = "#!/bin/sh\ntrue\n"


async def definitions(target: Target) -> list[Figure]:
    """`get_events` of 50 events, then `create_event`; what was created is deleted again."""
    have = (await target.client.call("get_events"))["list"]["length"]
    padding = [f"ebenchread{number:04d}" for number in range(max(0, _EVENTS - have))]
    await _create(target, padding)
    length = (await target.client.call("get_events"))["list"]["length"]
    read = await target.load(
        [target.request("get_events")],
        connections=_CONNECTIONS,
        count=target.size.reads,
        seconds=_SECONDS,
        warm_up=100,
    )
    created = [f"ebenchnew{number:05d}" for number in range(target.size.creates)]
    requests = [target.request("create_event", {"id": id, **_definition(id)}) for id in created]
    create = await target.load(requests, connections=_CONNECTIONS, count=len(requests), seconds=_SECONDS)
    await _delete(target, [*padding, *created[: create.done + create.failed]])
    return [
        Figure("get_events", read.rate, "req/s", 8000, note=f"{length} events"),
        Figure("create_event", create.rate, "req/s", 430, note=f"{create.done} events"),
    ]


async def jobs(target: Target) -> list[Figure]:
    """`get_job` and `search_jobs` over finished jobs; missing ones are run through simulated satellites."""
    return await found(target, await _fill(target))


async def found(target: Target, total: int) -> list[Figure]:
    """`get_job` of the newest of `total` finished jobs, and a page of `search_jobs`."""
    newest = (await target.client.call("search_jobs", query="*", limit=1))["rows"][0]["id"]
    get = await target.load(
        [target.request("get_job", id=newest)],
        connections=_CONNECTIONS,
        count=target.size.reads,
        seconds=_SECONDS,
        warm_up=100,
    )
    search = await target.load(
        [target.request("search_jobs", {"query": "*", "limit": _LIMIT})],
        connections=_CONNECTIONS,
        count=target.size.searches,
        seconds=_SECONDS,
        warm_up=20,
    )
    return [
        Figure("get_job", get.rate, "req/s", 5300),
        Figure(f"search_jobs, {_LIMIT} rows", search.rate, "req/s", 250, note=f"of {total:,} finished jobs"),
    ]


async def _fill(target: Target) -> int:
    """Run jobs until `size.rows` are archived or the time is over; returns how many there are."""
    missing = target.size.rows - await _finished(target)
    if missing > 0:
        async with fleet(target.client, 4, SUBPROTOCOL) as satellites:
            event_id = await target.create_event(
                "Benchmark: filling", [one.id for one in satellites], _SCRIPT
            )
            await target.run(event_id, connections=_FILL_CONNECTIONS, count=missing, seconds=_FILL_SECONDS)
    return await _finished(target)


async def _finished(target: Target) -> int:
    return int((await target.client.call("search_jobs", query="*", limit=1))["list"]["length"])


async def _create(target: Target, ids: list[str]) -> None:
    for event_id in ids:
        await target.client.call("create_event", id=event_id, **_definition(event_id))


async def _delete(target: Target, ids: list[str]) -> None:
    requests = [target.request("delete_event", {"id": event_id}) for event_id in ids]
    await target.load(requests, connections=_CONNECTIONS, count=len(requests), seconds=_SECONDS)


def _definition(title: str) -> Json:
    return shell_event(title, ["main"], _SCRIPT)
