"""Tickets as people and scripts use them: over HTTP, with mails that arrive."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.acceptance.agent import Station, station
from tests.acceptance.jobs import create_event
from tests.integration.outbound.peers import HttpPeer, SmtpPeer
from tests.processes import ApiError, Client, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class Post:
    station: Station
    smtp: SmtpPeer
    http: HttpPeer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def post(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Post]:
    """A conductor with a mail server and a hook on deleted tickets."""
    smtp, http = SmtpPeer(), HttpPeer()
    await smtp.start()
    await http.start()
    try:
        async with station(
            tmp_path_factory.mktemp("t"),
            OPSORBIT_EMAIL_FROM="ops@example.com",
            OPSORBIT_MAIL_SETTINGS__HOST="127.0.0.1",
            OPSORBIT_MAIL_SETTINGS__PORT=str(smtp.port),
            OPSORBIT_TICKETS__EMAIL_DEBOUNCE_SEC="1.5",
            OPSORBIT_HOOKS__TICKET_DELETE=http.url,
        ) as running:
            yield Post(running, smtp, http)
    finally:
        await smtp.stop()
        await http.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def client(post: Post) -> AsyncIterator[Client]:
    async with post.station.client() as one:
        yield one


async def limited(client: Client, **properties: Any) -> Client:
    """A client with a new API key; open it."""
    made = await client.call("create_api_key", title="limited", active=1, **properties)
    return Client(client.url, made["plain_key"])


async def made(client: Client, **doc: Any) -> dict[str, Any]:
    return dict((await client.call("create_ticket", **{"subject": "Broken", **doc}))["ticket"])


async def refused(client: Client, name: str, **params: Any) -> tuple[str, int]:
    with pytest.raises(ApiError) as error:
        await client.call(name, **params)
    return str(error.value.code), error.value.status


async def mail(post: Post, subject: str) -> Any:
    async def look() -> Any:
        return next((one for one in post.smtp.mails if subject in one["Subject"]), None)

    return await eventually(look, f"a mail about {subject!r}")


async def test_a_tickets_life(client: Client, post: Post) -> None:
    ticket = await made(
        client, subject="Disk full", notify=["ann@example.com"], due="3 days", username="forged"
    )
    assert ticket["username"] != "forged"
    assert (await client.call("get_ticket", num=ticket["num"]))["ticket"] == ticket
    assert (await client.call("get_ticket", id=ticket["id"]))["ticket"] == ticket
    assert (await mail(post, "Disk full"))["To"] == "ann@example.com"

    changed = (await client.call("update_ticket", id=ticket["id"], status="closed"))["ticket"]
    assert changed["changes"][-1]["key"] == "status"
    comment = {"type": "comment", "body": "Cleaned up"}
    commented = (await client.call("add_ticket_change", id=ticket["id"], change=comment))["ticket"]
    change_id = commented["changes"][-1]["id"]
    edited = await client.call(
        "update_ticket_change", id=ticket["id"], change_id=change_id, change={"body": "Cleaned up well"}
    )
    assert edited["ticket"]["changes"][-1]["body"] == "Cleaned up well"
    updated = await mail(post, "updated: Disk full")
    text = updated.get_body(("plain",)).get_content()
    assert "closed" in text
    assert "Cleaned up" in text

    several = await client.call("get_tickets", ids=[ticket["id"], "missing", ticket["id"]])
    assert [one.get("id") for one in several["tickets"]] == [ticket["id"], None, ticket["id"]]
    assert "changes" not in several["tickets"][0]
    await client.call("delete_ticket", id=ticket["id"])
    assert await refused(client, "get_ticket", id=ticket["id"]) == ("notfound", 404)
    assert await refused(client, "delete_ticket", id=ticket["id"]) == ("ticket", 400)

    async def told() -> bool:
        return bool(post.http.requests)

    await eventually(told, "the hook of ticket_delete is called")
    payload = json.loads(post.http.requests[0][3])
    assert (payload["action"], payload["ticket"]["id"]) == ("ticket_delete", ticket["id"])


async def test_files_travel_with_the_fields_and_alone(client: Client) -> None:
    form = aiohttp.FormData()
    form.add_field("json", json.dumps({"subject": "With files", "tags": ["flag"]}))
    form.add_field("file1", b"one", filename="One.txt")
    form.add_field("file2", b"two", filename="two")

    async def post_form(name: str, form: aiohttp.FormData) -> dict[str, Any]:
        url = f"{client.url}/api/app/{name}/v1"
        async with client.session.post(url, data=form, headers=client._headers) as response:
            answer = dict(await response.json())
        assert "code" in answer, answer
        return answer

    answer = await post_form("create_ticket", form)
    assert answer["code"] == 0, answer
    ticket = answer["ticket"]
    assert ticket["tags"] == ["flag"]
    assert [file["filename"] for file in ticket["files"]] == ["One.txt", "two"]

    form = aiohttp.FormData()
    form.add_field("json", json.dumps({"ticket": ticket["id"], "save": True}))
    form.add_field("file1", b"three", filename="three.log")
    files = (await post_form("upload_user_ticket_files", form))["files"]
    assert len(files) == 3
    left = (await client.call("delete_ticket_file", id=ticket["id"], path=files[0]["path"]))["files"]
    assert [file["filename"] for file in left] == ["two", "three.log"]

    for save, code in ((True, "job"), (False, 0)):
        form = aiohttp.FormData()
        form.add_field("json", json.dumps({"ticket": "missing", "save": save}))
        form.add_field("file1", b"x", filename="x.txt")
        assert (await post_form("upload_user_ticket_files", form))["code"] == code
    assert await refused(client, "upload_user_ticket_files", ticket="t1") == ("file", 400)


async def test_a_caller_limited_to_categories_sees_no_other_ticket(client: Client) -> None:
    await client.call("create_category", id="secret", title="Secret")
    hidden, shown = await made(client, category="secret"), await made(client, category="general")
    loose = await made(client)
    rights = {"create_tickets": True, "edit_tickets": True, "delete_tickets": True}
    async with await limited(client, privileges=rights, categories=["general"]) as other:
        for ticket in (hidden, loose):
            assert await refused(other, "get_ticket", id=ticket["id"]) == ("access", 403)
            assert await refused(other, "get_ticket", num=ticket["num"]) == ("access", 403)
            assert await refused(other, "update_ticket", id=ticket["id"], subject="x") == ("access", 403)
            comment = {"type": "comment", "body": "x"}
            assert await refused(other, "add_ticket_change", id=ticket["id"], change=comment) == (
                "access",
                403,
            )
            assert await refused(other, "delete_ticket", id=ticket["id"]) == ("access", 403)
        rows = (await other.call("get_tickets", ids=f"{hidden['id']},none,{shown['id']}"))["tickets"]
        assert rows[0] == {"err": f"Ticket not found: {hidden['id']}"}
        assert rows[1] == {"err": "Ticket not found: none"}
        assert rows[2]["id"] == shown["id"]
        assert await refused(other, "create_ticket", subject="S") == ("access", 403)
        assert await refused(other, "update_ticket", id=shown["id"], category="secret") == ("access", 403)
        assert (await made(other, category="general"))["category"] == "general"


async def test_each_call_asks_for_its_privilege(client: Client) -> None:
    ticket = await made(client)
    async with await limited(client, privileges={}) as reader:
        assert (await reader.call("get_ticket", id=ticket["id"]))["ticket"]["id"] == ticket["id"]
        for name in ("create_ticket", "update_ticket", "add_ticket_change", "delete_ticket", "send_email"):
            assert await refused(reader, name, id=ticket["id"], subject="S") == ("access", 403)
        assert await refused(reader, "admin_send_test_email", to="a@example.com") == ("access", 403)


async def test_bad_input_is_told_by_its_code(client: Client) -> None:
    assert await refused(client, "create_ticket") == ("api", 400)
    assert await refused(client, "create_ticket", subject=" ") == ("api", 400)
    assert await refused(client, "create_ticket", subject="S", id="Not Good") == ("api", 400)
    assert await refused(client, "create_ticket", subject="S", type="bug") == ("ticket", 400)
    assert await refused(client, "create_ticket", subject="S", template="note") == ("ticket", 400)
    assert await refused(client, "create_ticket", subject="S", template="job", job="none") == ("ticket", 400)
    assert await refused(client, "get_ticket") == ("ticket", 400)
    assert await refused(client, "get_tickets", ids=[]) == ("ticket", 400)
    assert await refused(client, "get_tickets", ids={"a": 1}) == ("ticket", 400)
    assert (await made(client, id=""))["id"].startswith("t")


async def test_a_ticket_can_be_made_of_a_job(client: Client) -> None:
    event_id = await create_event(client, "true", title="Backup", targets=["nowhere"])
    job_id = (await client.call("run_event", id=event_id))["id"]

    async def archived() -> bool:
        return bool((await client.call("get_job", id=job_id))["job"].get("final"))

    await eventually(archived, "the job has ended for want of a server")
    ticket = await made(client, subject="", template="job", job=job_id)
    assert ticket["subject"] == f"Job #{job_id} failed: Backup"
    assert f"#Job?id={job_id}" in ticket["body"]
    assert not {"template", "job"} & ticket.keys()
    assert ticket["jobs"] == [job_id]

    async def both_ways() -> bool:
        return (await client.call("get_job", id=job_id))["job"].get("tickets") == [ticket["id"]]

    await eventually(both_ways, "the job knows its ticket")


async def test_a_mail_can_be_sent_and_tested(client: Client, post: Post) -> None:
    sent = await client.call(
        "send_email", to="ann@example.com", subject="From a script", body="Hello **{{subject}}** {{nothing}}"
    )
    assert "ann@example.com" in sent["description"]
    assert "< 250" in sent["details"]
    page = (await mail(post, "From a script")).get_body(("html",)).get_content()
    assert "Hello <strong>From a script</strong> n/a" in page
    tested = await client.call("admin_send_test_email", to="bob@example.com")
    assert (tested["err"], tested["details"][:3]) == (False, "```")
    for bad in (
        {"to": "nobody"},
        {"subject": "a\r\nBcc: eve@example.com"},
        {"cc": "a@example.com\r\nX: y"},
        {"headers": {"X-A": "1\nBcc: eve@example.com"}},
        {"button": "Go | javascript:alert(1)"},
        {"title": "<b>"},
    ):
        params = {"to": "ann@example.com", "subject": "S", "body": "B", **bad}
        assert await refused(client, "send_email", **params) == ("api", 400)


async def test_tickets_yaml_a_mail_that_waits_outlives_the_conductor(client: Client, post: Post) -> None:
    ticket = await made(client, subject="Outlives", notify=["ann@example.com"])
    await mail(post, "New ticket")
    await mail(post, "Outlives")
    await client.call("update_ticket", id=ticket["id"], subject="Outlived")
    conductor = post.station.conductor
    await conductor.kill()
    assert not [one for one in post.smtp.mails if "Outlived" in one["Subject"]]
    conductor.start()
    await conductor.ready()
    assert (await mail(post, "updated: Outlived"))["To"] == "ann@example.com"
