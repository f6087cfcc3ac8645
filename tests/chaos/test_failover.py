"""Two conductors: the primary dies, leaves, or is put to sleep, and the other one takes over."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator

import pytest
from yarl import URL

from tests.acceptance.jobs import create_event
from tests.chaos.pair import LEASE, MARGIN, PASSWORD, Pair, pair
from tests.databases import PostgresServer
from tests.processes import ApiError, Client, eventually

IN_FLIGHT = 24

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
async def two(tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer) -> AsyncIterator[Pair]:
    database_url = postgres.new_database()
    async with pair(tmp_path_factory.mktemp("p"), database_url) as running:
        yield running
    postgres.drop_database(database_url)


async def _in_flight(two: Pair, *, pause: float = 0.2) -> None:
    await two.create_event(lines=20, pause=pause)
    await two.promise_many(IN_FLIGHT)
    await two.running(IN_FLIGHT)


async def test_primary_that_stops_and_one_that_is_killed(two: Pair) -> None:
    """A clean stop hands over at once, a death when the lease has run out; who comes back stands by first."""
    first, second = two.hosts
    await _in_flight(two)
    calling = asyncio.create_task(two.promise_many(6))
    asked = time.monotonic()
    first.signal(signal.SIGTERM)
    await second.answers(200, timeout=3 * LEASE)
    assert time.monotonic() - asked < LEASE - MARGIN, "sooner than any lease runs out"
    assert await first.exited(5) == 0
    await two.followed(second)
    first.start()
    await first.answers(503)
    await calling

    await two.promise_many(6)  # accepted just before
    calling = asyncio.create_task(two.promise_many(6))
    await second.kill()
    await first.answers(200, timeout=3 * LEASE)
    await two.followed(first)
    await calling
    await two.settled()


async def test_primary_that_slept_past_its_lease_changes_nothing(two: Pair) -> None:
    """It wakes up with messages of satellites and calls before it, and its callers are told where to go."""
    first, second = two.hosts
    await _in_flight(two, pause=0.3)
    async with Client(first.url, two.api_key) as client:
        stream = client.stream(next(iter(two.promised)))
        assert (await anext(stream)).name == "start"
        long = await create_event(client, f"touch {two.ledger}/long; sleep 5")
        waiting = asyncio.create_task(client.call("run_event/v1/wait", id=long))
        await two.running(IN_FLIGHT + 1)
        first.signal(signal.SIGSTOP)
        calling = asyncio.create_task(two.promise_many(6))  # into the socket of the one that sleeps
        await second.answers(200, timeout=3 * LEASE)
        first.signal(signal.SIGCONT)
        await first.answers(503)
        await two.followed(second)

        with pytest.raises(ApiError) as refused:
            await client.call("create_category", title="Too late", enabled=True)
        assert (refused.value.status, refused.value.code) == (500, "master")
        async with asyncio.timeout(5):
            with pytest.raises(ApiError) as waited:
                await waiting
            assert (waited.value.status, waited.value.code) == (500, "master")
            assert "end" not in [event.name async for event in stream]
    await calling
    await two.settled()


async def test_what_one_primary_changed_the_one_before_it_knows_at_its_next_turn(two: Pair) -> None:
    """A conductor that was primary, then a standby, remembers nothing that may have changed since."""
    first, second = two.hosts
    async with Client(first.url, two.api_key) as at_first, Client(second.url, two.api_key) as at_second:
        event = await create_event(at_first, "echo done")
        job = await at_first.call("run_event/v1/wait", id=event)
        job_id = str(job["job"]["id"])
        async with Client(first.url) as somebody:
            await somebody.login("admin", PASSWORD)
            assert (await at_first.call("get_job", id=job_id))["job"]["final"]
            assert (await at_first.call("search_jobs", query=f"event:{event}"))["list"]["length"] == 1
            assert (await somebody.call("get_events"))["code"] == 0

            first.signal(signal.SIGSTOP)
            await second.answers(200, timeout=3 * LEASE)
            first.signal(signal.SIGCONT)
            await first.answers(503)
            await at_second.call("delete_job", id=job_id)
            cookie = somebody.session.cookie_jar.filter_cookies(URL(first.url))["session_id"].value
            ending = {"X-Session-ID": cookie}
            async with at_second.session.post(f"{second.url}/api/user/logout", headers=ending) as response:
                assert (await response.json())["code"] == 0
            await second.stop()
            await first.answers(200, timeout=3 * LEASE)

            with pytest.raises(ApiError) as session:
                await somebody.call("get_events")
            assert session.value.code == "session"
            with pytest.raises(ApiError) as gone:
                await at_first.call("get_job", id=job_id)
            assert gone.value.code == "notfound"
            assert (await at_first.call("search_jobs", query=f"event:{event}"))["list"]["length"] == 0


async def test_redis_is_away_for_a_while(two: Pair) -> None:
    """It stands still, then it dies: calls are answered, leases run out, and all goes on by itself."""
    await two.create_event(lines=20, pause=0.2)
    await two.promise_many(IN_FLIGHT // 2)
    await two.running(IN_FLIGHT // 2)
    async with two.redis.stopped():
        calling = asyncio.create_task(two.promise_many(6))
        await asyncio.sleep(2)
    await calling

    await two.redis.end(signal.SIGKILL)
    calling = asyncio.create_task(two.promise_many(6))
    for host in two.hosts:
        await host.answers(503, timeout=LEASE)
    assert not calling.done()
    await two.redis.start()
    await calling
    await two.settled()
    assert {status for status, _ in two.refusals} <= {500}
    assert {code for _, code in two.refusals} <= {"internal", "master"}
    assert "Traceback" not in "".join(host.output() for host in two.hosts)


async def test_a_definition_that_was_half_stored_when_its_primary_fell_asleep(
    two: Pair, postgres: PostgresServer
) -> None:
    """Either the call succeeds and everybody knows the definition, or it is refused and nobody does."""
    first, second = two.hosts
    async with Client(first.url, two.api_key) as client:
        with postgres.locked(two.database_url, "definitions"):
            creating = asyncio.create_task(client.call("create_category", title="Half", enabled=True))
            await eventually(lambda: asyncio.to_thread(postgres.waits, two.database_url), "the write waits")
            first.signal(signal.SIGSTOP)
        # The row is written now, and only the commit is missing.
        await second.answers(200, timeout=3 * LEASE)
        first.signal(signal.SIGCONT)
        outcome = (await asyncio.gather(creating, return_exceptions=True))[0]
        await first.answers(503)
    async with Client(second.url, two.api_key) as client:
        known = [row["title"] for row in (await client.call("get_categories"))["rows"]]
        await second.stop()
        await first.answers(200, timeout=3 * LEASE)
        client.url = first.url
        stored = [row["title"] for row in (await client.call("get_categories"))["rows"]]
    assert known == stored
    assert ("Half" in known) == isinstance(outcome, dict)
    if not isinstance(outcome, dict):
        assert isinstance(outcome, ApiError)
        assert (outcome.status, outcome.code) == (500, "master")
