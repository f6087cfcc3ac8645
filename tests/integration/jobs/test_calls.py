"""The API's calls about jobs over HTTP, on a real engine: what they refuse, and that streams and waits end."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from conductor.access.accounts import Accounts
from conductor.access.sessions import Sessions
from conductor.access.users import Users
from conductor.announcer import Signals
from conductor.api import job_control, job_logs, job_stream, job_summaries, jobs, run_event, satellites
from conductor.api.kernel import Kernel
from conductor.api.office import Office
from conductor.api.registry import Registry
from conductor.definitions.writer import House as Owner
from conductor.fleet.credentials import Credentials
from conductor.fleet.enrolment import Enrolment
from conductor.fleet.roster import Roster
from conductor.jobs.deletion import Deletion
from conductor.records import tables
from conductor.records.documents import Documents
from conductor.signals import SYSTEM
from shared.protocol import tokens
from tests.integration.api.conftest import Seat
from tests.integration.jobs.house import House, Term, until

SECRET = "the cluster's"


class Desk:
    """A term that can be called over HTTP."""

    def __init__(self, term: Term, url: str, client: aiohttp.ClientSession, key: str) -> None:
        self.term = term
        self.house = term.house
        self.url = url
        self.client = client
        self.key = key

    async def call(
        self, name: str, headers: dict[str, str] | None = None, *, key: str = "", **params: Any
    ) -> tuple[int, dict[str, Any]]:
        headers = {"X-API-Key": key or self.key, **(headers or {})}
        name = name if "/" in name else f"{name}/v1"
        async with self.client.post(f"{self.url}/api/app/{name}", json=params, headers=headers) as response:
            return response.status, await response.json()

    async def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        """Everything a stream tells until it is closed."""
        found = []
        url = f"{self.url}/api/app/stream_job/v1"
        async with self.client.get(url, params={"id": job_id}, headers={"X-API-Key": self.key}) as response:
            assert response.status == 200
            for part in (await response.text()).strip().split("\n\n"):
                name, data = part.split("\n")
                found.append((name.removeprefix("event: "), msgspec.json.decode(data.removeprefix("data: "))))
        return found


@asynccontextmanager
async def opened(house: House) -> AsyncIterator[Desk]:
    settings, signals = house.settings, Signals()
    settings.secret_key = SECRET
    accounts = Accounts(Users(house.records), Sessions(house.records, settings), house.definitions, settings)
    office, roster = Office(), Roster("0")
    deletion = Deletion(house.archive, house.files, signals, house.definitions.state)
    keys = Documents(house.records, tables.satellite_credentials)
    credentials = Credentials(keys, roster, settings, signals)
    enrolment = Enrolment(house.redis, house.names, settings, credentials)
    stored_servers = Documents(house.records, tables.servers)
    registry = Registry(
        (
            *run_event.endpoints(office, house.definitions),
            *jobs.endpoints(office, house.archive, settings),
            *job_summaries.endpoints(office),
            *job_control.endpoints(
                office, house.archive, deletion, house.definitions, lambda username: f"{username}@example.com"
            ),
            *job_logs.endpoints(office, house.archive, house.files, settings),
            *job_stream.endpoints(office, house.archive, settings),
            *satellites.endpoints(
                office, enrolment, credentials, roster, stored_servers, accounts, settings, "0", signals
            ),
        )
    )
    kernel = Kernel(registry, accounts, Seat(), settings)
    runner = web.ServerRunner(web.Server(kernel.handle, access_log=None), shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    house.satellites.join("s1")
    async with aiohttp.ClientSession() as client, house.term() as term:
        office.open(term.engine)
        key = await api_key(house, admin=True)
        yield Desk(term, url, client, key)
    await runner.cleanup()


async def api_key(house: House, groups: list[str] | None = None, **privileges: bool) -> str:
    doc = {"title": "A key", "active": True, "privileges": privileges, "groups": groups or []}
    made = await house.definitions.create_showing("api_keys", doc, actor=SYSTEM, by=Owner("admin"))
    return str(made.shown_once["plain_key"])


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with opened(house) as one:
        yield one


async def runnable(house: House, **changes: Any) -> str:
    event = await house.event(triggers=[{"type": "manual", "enabled": True}], **changes)
    return str(event["id"])


@pytest.mark.parametrize(
    "overrides",
    [
        {"targets": 5}, {"targets": {"main": 1}}, {"targets": [["main"]]}, {"targets": []}, {"tags": "nosuchtag"},
        {"tags": {}}, {"tags": [{}]}, {"limits": {}}, {"limits": [5]}, {"actions": 5}, {"fields": "x"},
        {"params": 5}, {"params": {"_xy_override_targets": 5}}, {"params": {"_xy_override_tags": {"a": 1}}},
        {"params": {"_xy_override_plugin": "httpplug"}}, {"input": 5}, {"input": {"data": []}}, {"parent": "x"},
        {"now": "soon"}, {"now": -1}, {"workflowData": 5}, {"workflow": 5}, {"tickets": 5}, {"tickets": [5]},
        {"algo": 5}, {"expression": ["x"]}, {"expression": "(("}, {"plugin": {}}, {"label": []}, {"icon": 5},
        {"json": "[]"}, {"json": "{"}, {"json": '{"params": 5}'}, {"json": '{"label": ["x"]}'},
        {"json": '{"icon": {"a": 1}}'},
    ],
    ids=str,
)  # fmt: skip
async def test_an_override_of_a_wrong_type_is_an_error_and_no_job(
    desk: Desk, overrides: dict[str, Any]
) -> None:
    event_id = await runnable(desk.house)
    limited = await api_key(desk.house, groups=["main"], run_jobs=True, edit_events=True)
    for key in (desk.key, limited):
        status, answer = await desk.call("run_event", key=key, id=event_id, **overrides)
        assert (status, answer["code"]) in ((400, "api"), (403, "access")), answer
        assert answer["code"] == "api" or key == limited
    assert len(desk.term.book) == 0


async def test_overrides_that_are_right_reach_the_job(desk: Desk) -> None:
    event_id = await runnable(desk.house)
    overrides = {
        "targets": "s1, main", "label": "mine", "priority": "0", "invisible": "1", "ephemeral": 0, "now": "17",
        "tickets": "t1,t2", "parent": {"job": "j0"}, "tags": None, "limits": None, "server": "s9",
        "username": "somebody", "params": {"n": 10**30},
    }  # fmt: skip
    status, answer = await desk.call("run_event", id=event_id, **overrides)
    assert status == 200, answer
    job = desk.term.job(answer["id"]).job
    wanted = {
        "targets": ["s1", "main"], "label": "mine", "priority": False, "invisible": True, "ephemeral": False,
        "now": 17, "tickets": ["t1", "t2"], "parent": {"job": "j0"},
    }  # fmt: skip
    assert {key: job[key] for key in wanted} == wanted
    assert job["username"] != "somebody"
    launched = await desk.term.launched(answer["id"])
    assert launched.server == "s1"
    assert (await desk.call("get_active_jobs", sort_by="now"))[0] == 200


async def test_a_limited_caller_reaches_no_other_group(desk: Desk) -> None:
    limited = await api_key(desk.house, groups=["main"], run_jobs=True)
    event_id = await runnable(desk.house)
    for overrides in ({"targets": ["other"]}, {"params": {"_xy_override_targets": "other"}}):
        status, answer = await desk.call("run_event", key=limited, id=event_id, **overrides)
        assert (status, answer["code"]) == (403, "access")


@pytest.mark.parametrize("key", ["\xff", "a\tb", "x" * 256])
async def test_an_idempotency_key_is_printable(desk: Desk, key: str) -> None:
    event_id = await runnable(desk.house)
    host, port = desk.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"GET /api/app/run_event/v1?id={event_id} HTTP/1.1\r\nHost: x\r\nX-API-Key: {desk.key}\r\n"
    writer.write(
        head.encode() + b"Idempotency-Key: " + key.encode("latin-1") + b"\r\nConnection: close\r\n\r\n"
    )
    answer = await reader.read()
    writer.close()
    assert b"400" in answer.partition(b"\r\n")[0]
    assert len(desk.term.book) == 0
    assert not desk.term.running.done()


async def test_ids_are_asked_for(desk: Desk) -> None:
    assert (await desk.call("get_jobs"))[1]["code"] == "api"
    status, answer = await desk.call("get_jobs", ids="nosuch,nosuch")
    assert (status, [set(row) for row in answer["jobs"]]) == (200, [{"err"}, {"err"}])


async def test_a_stream_ends_whenever_its_job_does(desk: Desk) -> None:
    """Also when that is between the request and the first event."""
    event_id = await runnable(desk.house)
    launched = [
        await desk.term.launched((await desk.call("run_event", id=event_id))[1]["id"]) for _ in range(40)
    ]

    async def end(number: int) -> None:
        for _ in range(number * 4):
            await asyncio.sleep(0)
        desk.term.result(launched[number], description="done")

    async with asyncio.timeout(10):
        told, *_ = await asyncio.gather(
            asyncio.gather(*(desk.events(one.id) for one in launched)),
            *(end(number) for number in range(len(launched))),
        )
    for events in told:
        assert [name for name, _ in events][:1] == ["start"]
        assert events[-1] == ("end", {})
        assert events[-2][1]["description"] == "done"
    assert vars(desk.term.engine.followers)["_of_job"] == {}


async def test_streams_and_waits_end_with_the_term(house: House) -> None:
    async with opened(house) as desk:
        event_id = await runnable(house)
        job_id = (await desk.call("run_event", id=event_id))[1]["id"]
        await desk.term.launched(job_id)
        stream = asyncio.create_task(desk.events(job_id))
        waiting = asyncio.create_task(desk.call("run_event/v1/wait", id=event_id))
        await until(lambda: len(vars(desk.term.engine.followers)["_of_job"]) == 2, "both follow their jobs")
        desk.term.running.cancel()
        async with asyncio.timeout(5):
            assert (await stream)[0] == ("start", {})
            assert (await waiting)[1]["code"] == "master"


async def test_a_live_log_is_served_in_pieces(desk: Desk) -> None:
    event_id = await runnable(desk.house)
    launched = await desk.term.launched((await desk.call("run_event", id=event_id))[1]["id"])
    token = tokens.log_token(launched.id, SECRET)
    url = f"{desk.url}/api/app/view_job_log?id={launched.id}&t={token}"
    async with desk.client.get(url) as response:
        assert response.status == 404
    log = bytes(range(256)) * 4096
    for offset in range(0, len(log), 100_000):
        desk.term.log(launched, log[offset : offset + 100_000], offset=offset)
    async with desk.client.get(url) as response:
        assert await response.read() == log


@pytest.mark.parametrize(("path", "status"), [("finish_job", 200), ("finish_job/v1", 400)])
async def test_a_refusal_for_good_ends_an_agents_attempts(desk: Desk, path: str, status: int) -> None:
    """Agents of the original repeat the unversioned call each second, for ever, until they get a 2xx."""
    url = f"{desk.url}/api/app/{path}"
    async with desk.client.post(url, json={"id": "j1", "auth": "wrong", "job": {"id": "j1"}}) as response:
        assert response.status == status
        assert (await response.json())["code"] == "auth"
    good = {"id": "j1", "auth": tokens.job_token("j1", SECRET), "job": {"id": "j1", "state": "complete"}}
    async with desk.client.post(url, json=good) as response:
        assert (response.status, await response.json()) == (200, {"code": 0})


async def test_a_result_by_call_ends_the_job(desk: Desk) -> None:
    desk.house.satellites.base.add("s1")
    event_id = await runnable(desk.house)
    job_id = (await desk.call("run_event", id=event_id))[1]["id"]
    await desk.term.launched(job_id)
    job = {"id": job_id, "state": "complete", "complete": True, "code": 10**30, "data": {"n": 1}}
    body = {"id": job_id, "auth": tokens.job_token(job_id, SECRET), "job": job}
    async with desk.client.post(f"{desk.url}/api/app/finish_job", json=body) as response:
        assert response.status == 200
    record = await desk.term.ended(job_id)
    assert record["data"] == {"n": 1}
    assert record["code"]


async def test_a_caller_who_has_gone_leaves_nothing_behind(desk: Desk) -> None:
    event_id = await runnable(desk.house)
    waiting = asyncio.create_task(desk.call("run_event/v1/wait", id=event_id))
    await until(lambda: vars(desk.term.engine.followers)["_of_job"], "it waits")
    waiting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting
    launched = desk.house.satellites.launched or await until(lambda: desk.house.satellites.launched, "")
    desk.term.result(launched[0])
    await desk.term.ended(launched[0].id)
    await until(lambda: not vars(desk.term.engine.followers)["_of_job"], "nobody follows any more")
