"""Everything a job can set going, with real processes: mail and web hooks arrive, tickets and jobs are made.

Contract actions.md §6, jobs.md §8 and §13, scheduler.md §14: here every port between the rooms is the real one.
"""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
import pytest_asyncio

from tests.acceptance.jobs import create_event, finished, get_job, start
from tests.acceptance.tab import tab
from tests.integration.outbound.peers import HttpPeer, SmtpPeer
from tests.processes import ApiError, Client, Deployment, deployed, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALWAYS = {"enabled": True, "condition": "complete"}
SAMPLE = b"id,value\n1,alpha\n"


@dataclass
class World:
    """A conductor with its satellite, and whom it talks to."""

    house: Deployment
    smtp: SmtpPeer
    http: HttpPeer

    async def mail(self, subject: str) -> Any:
        async def look() -> Any:
            return next((one for one in self.smtp.mails if subject in one["Subject"]), None)

        return await eventually(look, f"a mail about {subject!r}")

    async def hooked(self, path: str) -> dict[str, Any]:
        """What was posted to the peer's `path`, once it was."""

        async def look() -> bytes | None:
            return next((body for _, at, _, body in self.http.requests if at == path), None)

        return dict(json.loads(await eventually(look, f"a request to {path}") or b"{}"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    smtp, http = SmtpPeer(), HttpPeer()
    await smtp.start()
    await http.start()
    environment = {
        "OPSORBIT_EMAIL_FROM": "ops@example.com",
        "OPSORBIT_MAIL_SETTINGS__HOST": "127.0.0.1",
        "OPSORBIT_MAIL_SETTINGS__PORT": str(smtp.port),
        "OPSORBIT_MULTI__LIST_URL": f"{http.url}/releases",
    }
    try:
        async with deployed(tmp_path_factory.mktemp("w"), environment=environment) as house:
            yield World(house, smtp, http)
    finally:
        await smtp.stop()
        await http.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(world: World) -> AsyncIterator[Client]:
    async with Client(world.house.url, world.house.api_key) as one:
        yield one


async def form(client: Client, path: str, fields: dict[str, Any], name: str, content: bytes) -> Any:
    """A multipart call with one file."""
    data = aiohttp.FormData()
    for key, value in fields.items():
        data.add_field(key, value)
    data.add_field("file1", content, filename=name)
    async with client.session.post(
        f"{client.url}/api/app/{path}", data=data, headers=client._headers
    ) as response:
        answer = await response.json()
        assert answer["code"] == 0, answer
        return answer


async def web_hook(client: Client, world: World, name: str, **changes: Any) -> None:
    body = '{"text": "{{text}}", "job": "{{job.id}}"}'
    hook = {"id": name, "title": name, "method": "POST", "url": f"{world.http.url}/{name}", "body": body}
    await client.call("create_web_hook", **hook, **changes)


def says(**message: Any) -> str:
    return f"echo '{msgspec.json.encode({'xy': 1, 'code': 0, **message}).decode()}'"


async def test_a_job_with_every_kind_of_action(world: World, client: Client, tmp_path: Path) -> None:
    account = {"username": "ann", "password": "limited horse", "full_name": "Ann", "email": "ann@example.com"}
    await client.call("create_user", **account)
    await web_hook(client, world, "told")
    await web_hook(client, world, "chan")
    await client.call("create_bucket", id="pail", title="Pail")
    mark = {"id": "mark", "title": "Mark", "type": "action", "command": f"cat > {tmp_path}/mark; echo ok"}
    await client.call("create_plugin", enabled=True, **mark)
    channel = {
        "id": "ops",
        "title": "Ops",
        "users": ["admin"],
        "email": "duty@example.com",
        "web_hook": "chan",
    }
    await client.call("create_channel", **channel, max_per_day=1)
    fetch = {"type": "fetch", "bucket_id": "pail", "bucket_sync": "data_and_files", "bucket_glob": "*.csv"}
    follower = await create_event(
        client,
        f"cat out.csv; {says(description='followed')}",
        title="Follower",
        fields=[{"id": "who", "type": "text", "title": "Who", "value": "nobody"}],
        actions=[{"enabled": True, "condition": "start", **fetch}],
    )
    ticket = {"ticket_type": "issue", "ticket_assignees": ["ann"], "ticket_tags": []}
    actions = [
        {"type": "email", "users": ["ann"], "email": "more@example.com"},
        {"type": "web_hook", "web_hook": "told", "text": "see {{job.id}}"},
        {"type": "ticket", **ticket},
        {"type": "store", "bucket_id": "pail", "bucket_sync": "data_and_files", "bucket_glob": "*.csv"},
        {"type": "plugin", "plugin_id": "mark", "params": {}},
        {"type": "channel", "channel_id": "ops"},
        {"type": "tag", "tags": ["important"]},
        {"type": "label", "label": "Labelled"},
        {"type": "run_event", "event_id": follower, "params": {"who": "ann"}},
    ]
    event = await create_event(
        client,
        f"mkdir o; tr a-z A-Z < in.csv > o/out.csv; echo no > o/other.txt\n{says(files=['o/*'], data={'n': 7})}",
        title="First of all",
        actions=[{**ALWAYS, **action} for action in actions],
    )
    known = (await client.call("create_ticket", subject="Before"))["ticket"]["id"]
    body = json.dumps({"id": event, "tickets": [known]})
    async with tab(world.house.url, "admin", world.house.password) as page:
        answer = await form(client, "run_event/v1", {"json": body}, "in.csv", SAMPLE)
        job = await finished(client, answer["id"])
        toast = await page.expect("notify", lambda data: data.get("type") == "channel")
    own = [one for one in job["actions"] if one.get("source") != "universal"]
    assert [one["code"] for one in own] == [0] * len(actions), own
    assert [file["filename"] for file in job["input"]["files"]] == ["in.csv"]
    assert sorted(file["filename"] for file in job["files"]) == ["other.txt", "out.csv"]
    assert "important" in job["tags"]
    assert job["label"] == "Labelled"
    assert toast["channel"] == "ops"
    assert job["id"] in toast["loc"]
    assert json.loads((tmp_path / "mark").read_text())["job"]["id"] == job["id"]

    assert "First of all" in str(await world.mail("First of all"))
    receivers = {address for one in world.smtp.recipients for address in one}
    assert {"ann@example.com", "more@example.com", "duty@example.com"} <= receivers
    assert f"see {job['id']}" in (await world.hooked("/told"))["text"]
    assert (await world.hooked("/chan"))["job"] == job["id"]
    assert job["tickets"][0] == known
    made = (await client.call("get_ticket", id=job["tickets"][1]))["ticket"]
    assert (made["assignees"], made["jobs"]) == (["ann"], [job["id"]])
    pail = await client.call("get_bucket", id="pail")
    assert (pail["data"], [file["filename"] for file in pail["files"]]) == ({"n": 7}, ["out.csv"])

    [link] = job["jobs"]
    second = await finished(client, link["id"])
    assert (second["source"], second["parent"]["job"]) == ("action", job["id"])
    assert second["params"]["who"] == "ann"
    assert known in second["tickets"]
    assert second["input"]["data"] == {"n": 7}
    assert SAMPLE.decode().upper() in second["output"], "it read the file that came from the first one"
    third = await finished(client, (await client.call("run_event", id=follower))["id"])
    [fetched] = third["input"]["files"]
    assert (fetched["filename"], fetched["bucket"], third["input"]["data"]) == ("out.csv", "pail", {"n": 7})
    assert SAMPLE.decode().upper() in third["output"], "it read the file that came from the bucket"

    async def again() -> Any:
        last = [{**ALWAYS, "type": "channel", "channel_id": "ops"}]
        other = await finished(client, await start(client, "true", actions=last))
        return other["actions"][0]

    assert "maximum daily limit" in (await again())["description"], "the day's notifications are counted"


async def test_a_suspended_job_goes_on_when_its_approver_says_so(world: World, client: Client) -> None:
    suspend = {"enabled": True, "condition": "start", "type": "suspend", "email": "boss@example.com"}
    fields = [{"id": "size", "type": "text", "title": "Size", "value": "small"}]
    event = await create_event(
        client, 'echo "size $size"', title="Needs a yes", actions=[suspend], fields=fields
    )
    job_id = (await client.call("run_event", id=event))["id"]
    assert job_id in str(await world.mail("Needs a yes"))
    assert (await get_job(client, job_id))["suspended"] is True
    await client.call("resume_job", id=job_id, params={"size": "large"})
    job = await finished(client, job_id)
    assert (job["code"], job["output"]) == (0, "size large\n")
    assert "suspended" not in job
    [action] = [one for one in job["actions"] if one["type"] == "suspend"]
    assert "resumed by" in action["description"]
    assert "127.0.0.1" in action["details"]


async def test_a_limit_ends_its_job_and_tells_of_it(world: World, client: Client) -> None:
    await web_hook(client, world, "limited")
    limit = {"type": "time", "enabled": True, "duration": 1, "abort": True, "tags": ["slow"]}
    limit |= {"email": "night@example.com", "web_hook": "limited", "text": "too slow"}
    await client.call("create_tag", id="slow", title="Slow")
    event = await create_event(client, "sleep 60", title="Never ends", limits=[limit])
    job = await finished(client, (await client.call("run_event", id=event))["id"])
    assert job["code"] == "abort"
    assert "time" in job["description"].lower()
    assert "slow" in job["tags"]
    assert "night@example.com" in str((await world.mail("Never ends"))["To"])
    assert "too slow" in (await world.hooked("/limited"))["text"]


async def test_a_job_disables_and_deletes_its_event(client: Client) -> None:
    off = await create_event(client, "exit 3", actions=[{**ALWAYS, "condition": "error", "type": "disable"}])
    await finished(client, (await client.call("run_event", id=off))["id"])
    assert (await client.call("get_event", id=off))["event"]["enabled"] is False
    gone = await create_event(client, "true", actions=[{**ALWAYS, "type": "delete"}])
    job_id = (await client.call("run_event", id=gone))["id"]
    await finished(client, job_id)

    async def deleted() -> bool:
        try:
            await client.call("get_event", id=gone)
        except ApiError as error:
            return error.status == 404 or error.code == "event"
        return False

    await eventually(deleted, "the event is deleted")
    assert (await get_job(client, job_id))["code"] == 0


async def test_a_magic_link_has_a_page_and_takes_files(client: Client) -> None:
    fields = [{"id": "who", "type": "text", "title": "Who is it", "value": "nobody"}]
    event = await create_event(
        client, 'echo "hello $who"; cat note.txt', title="By link", fields=fields,
        triggers=[{"type": "magic", "enabled": True, "key": "open-sesame"}],
    )  # fmt: skip
    async with Client(client.url) as stranger:
        page = (await stranger.fetch("/api/app/form/v1/open-sesame")).decode()
        assert "By link" in page
        assert "Who is it" in page
        assert re.search(r"<form[^>]*multipart/form-data", page) or "FormData" in page
        answer = await form(stranger, "magic/v1/open-sesame", {"who": "ann"}, "note.txt", b"a note")
    job = await finished(client, answer["id"])
    assert (job["event"], job["source"], job["params"]["who"]) == (event, "magic", "ann")
    assert job["output"].strip() == "hello ann\na note"


async def test_releases_are_asked_of_who_publishes_them(world: World, client: Client) -> None:
    world.http.answers = [(200, {}, b'[{"tag_name": "v9.9.9", "name": "Nine"}]')]
    try:
        answer = await client.call("get_master_releases")
    finally:
        world.http.answers = [(200, {}, b"ok")]
    assert "v9.9.9" in json.dumps(answer)
