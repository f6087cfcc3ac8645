"""A conductor on a Redis and a PostgreSQL that are not its own, and what happens while those are away."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.acceptance.jobs import active_ids, create_event, finished, get_job, live_log
from tests.databases import PostgresServer
from tests.processes import (
    ApiError,
    Client,
    Conductor,
    Satellite,
    administrator_key,
    enrol,
    eventually,
    joined,
    redis_server,
)

PASSWORD = "external"

pytestmark = pytest.mark.timeout(90)


class Outside:
    """A conductor and a satellite on stores that others run."""

    def __init__(self, conductor: Conductor, satellite: Satellite, client: Client, redis: Redis) -> None:
        self.conductor = conductor
        self.satellite = satellite
        self.client = client
        self.redis = redis
        self.server_id = ""

    async def refused(self, name: str, **params: object) -> ApiError:
        """A call that must be refused."""
        with pytest.raises(ApiError) as refusal:
            await self.client.call(name, **params)
        return refusal.value


@asynccontextmanager
async def _outside(folder: Path, database_url: str) -> AsyncIterator[Outside]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(redis_server(folder / "redis"))
        redis = Redis.from_url(server.url)
        stack.push_async_callback(redis.aclose)
        conductor = Conductor(
            folder / "c",
            environment={
                "OPSORBIT_REDIS_URL": server.url,
                "OPSORBIT_DATABASE_URL": database_url,
                "OPSORBIT_FILES_URL": (folder / "files").as_uri(),
                "OPSORBIT_ADMIN_PASSWORD": PASSWORD,
                "OPSORBIT_LEASE_SECONDS": "4",
            },
        )
        conductor.start()
        stack.push_async_callback(conductor.stop)
        await conductor.ready()
        key = await administrator_key(conductor.url, PASSWORD)
        client = await stack.enter_async_context(Client(conductor.url, key))
        satellite, server_id = await enrol(client, conductor, folder / "s")
        satellite.start()
        stack.push_async_callback(satellite.stop)
        await joined(client, satellite, server_id)
        running = Outside(conductor, satellite, client, redis)
        running.server_id = server_id
        yield running


@pytest.fixture
async def outside(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer
) -> AsyncIterator[Outside]:
    database_url = postgres.new_database()
    async with _outside(tmp_path_factory.mktemp("o"), database_url) as running:
        yield running
    postgres.drop_database(database_url)


async def test_everything_is_in_the_external_stores_and_there_after_a_restart(outside: Outside) -> None:
    client = outside.client
    words = await create_event(client, "echo all is well", title="Words")
    large = await create_event(client, "yes 'a large log' | head -n 100000", title="Large")
    slow = await create_event(client, "echo begun; sleep 3; echo ended", title="Slow")
    first = str((await client.call("run_event/v1/wait", id=words))["job"]["id"])
    second = str((await client.call("run_event/v1/wait", id=large))["job"]["id"])
    third = str((await client.call("run_event", id=slow))["id"])
    await live_log(client, third, "begun")
    keys = [key.decode() async for key in outside.redis.scan_iter()]
    assert any(third in key for key in keys), "the active job is in the external Redis"
    assert not (outside.conductor.data / "redis").exists()
    assert not list(outside.conductor.data.glob("*.db*"))
    assert list((outside.conductor.data.parent / "files").rglob("log.txt.gz"))

    assert await outside.conductor.stop() == 0
    outside.conductor.start()
    await outside.conductor.ready()
    await joined(client, outside.satellite, outside.server_id)

    job = await finished(client, third)
    assert (job["code"], job.get("recovered")) == (0, None)
    assert await client.fetch("/api/app/get_job_log/v1", id=third) == b"begun\nended\n"
    assert await client.fetch("/api/app/get_job_log/v1", id=first) == b"all is well\n"
    assert await client.fetch("/api/app/get_job_log/v1", id=second) == b"a large log\n" * 100_000
    for event, job_id in ((words, first), (large, second), (slow, third)):
        found = await client.call("search_jobs", query=f"event:{event}")
        assert [row["id"] for row in found["rows"]] == [job_id]
    assert await active_ids(client) == []

    # Its second term is in the database: a Redis that has lost everything begins to count anew.
    fourth = str((await client.call("run_event", id=slow))["id"])
    await live_log(client, fourth, "begun")
    await outside.redis.flushall()
    third_term = '"epoch": 3, "event": "office taken"'
    await outside.conductor.until(lambda: third_term in outside.conductor.output(), 10, "take office again")

    async def adopted() -> bool:
        return fourth in await active_ids(client)

    await eventually(adopted, "the job is known again")
    job = await finished(client, fourth)
    assert (job["code"], job["recovered"]) == (0, True)
    assert await client.fetch("/api/app/get_job_log/v1", id=fourth) == b"begun\nended\n"
    assert "Traceback" not in outside.conductor.output()


async def test_postgresql_crashes_while_jobs_run(outside: Outside, postgres: PostgresServer) -> None:
    """Their results wait for it; calls that need it are refused in the envelope; then all is as if nothing was."""
    client = outside.client
    event = await create_event(client, "echo begun; sleep 1; echo ended")
    jobs = [str((await client.call("run_event", id=event))["id"]) for _ in range(10)]
    for job_id in jobs:
        await live_log(client, job_id, "begun")
    await asyncio.to_thread(postgres.crash)
    try:
        refusals = await asyncio.gather(
            outside.refused("get_job", id="jneverwas"),
            outside.refused("create_category", title="Not now", enabled=True),
        )
        assert [(one.status, one.code) for one in refusals] == [(500, "internal")] * 2
        accepted = str((await client.call("run_event", id=event))["id"])  # that needs Redis alone
        await live_log(client, accepted, "ended")
        assert not (await get_job(client, accepted)).get("final")
        assert not (await get_job(client, jobs[0])).get("final")
    finally:
        await asyncio.to_thread(postgres.start_again)
    for job_id in (*jobs, accepted):
        assert (await finished(client, job_id))["code"] == 0
        assert await client.fetch("/api/app/get_job_log/v1", id=job_id) == b"begun\nended\n"
    found = await client.call("search_jobs", query=f"event:{event}", limit=100)
    assert sorted(row["id"] for row in found["rows"]) == sorted((*jobs, accepted))
    assert (await client.call("create_category", title="Now", enabled=True))["category"]["title"] == "Now"
    titles = [row["title"] for row in (await client.call("get_categories"))["rows"]]
    assert "Not now" not in titles
    assert "Traceback" not in outside.conductor.output()


async def test_a_redis_that_refuses_writes_delays_jobs_and_loses_none(
    outside: Outside, tmp_path: Path
) -> None:
    """Full, or without a disk for its file: what was promised before starts and ends as soon as it can."""
    client, redis = outside.client, outside.redis
    event = await create_event(client, "echo begun; sleep 2; echo ended")
    retried = await create_event(
        client,
        f"mkdir {tmp_path}/once 2> /dev/null && exit 1; echo ran >> {tmp_path}/ran",
        limits=[{"type": "retry", "enabled": True, "amount": 1, "duration": 1}],
    )
    running = str((await client.call("run_event", id=event))["id"])
    await live_log(client, running, "begun")
    failed = str((await client.call("run_event/v1/wait", id=retried))["job"]["id"])
    [waiting] = [job_id for job_id in await active_ids(client) if job_id != running]
    await redis.config_set("maxmemory", 1)
    refusal = await outside.refused("run_event", id=event)
    assert (refusal.status, refusal.code) == (500, "internal")

    async def tried() -> bool:
        return "waits for the book" in outside.conductor.output()

    await eventually(tried, "the retry was to be started")
    await redis.config_set("maxmemory", 0)
    assert (await finished(client, waiting))["code"] == 0
    assert (await finished(client, running))["code"] == 0
    assert (tmp_path / "ran").read_text() == "ran\n"
    rows = (await client.call("search_jobs", query="*", limit=100))["rows"]
    assert sorted(row["id"] for row in rows) == sorted((failed, waiting, running))
