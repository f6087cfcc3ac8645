"""Magic links and their page (contract scheduler.md §14, api/events.yaml)."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from shared import clock
from shared.protocol import tokens
from tests.integration.jobs.house import House, until
from tests.integration.schedule.desk import SECRET, Desk, opened

KEY = "open-sesame_1"
FIELDS = [
    {"id": "who", "type": "text", "title": "Who", "value": "nobody", "regex": "^[a-z]+$"},
    {"id": "fixed", "type": "text", "title": "Fixed", "value": "mine", "locked": True},
    {"id": "inner", "type": "hidden", "title": "Inner", "value": "h"},
    {"id": "size", "type": "select", "title": "Size", "value": "Small [s], Large [l]"},
    {"id": "really", "type": "checkbox", "title": "Really", "value": True},
]


@pytest.fixture
async def desk(house: House) -> AsyncIterator[Desk]:
    async with opened(house) as one:
        yield one


async def linked(house: House, trigger: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    magic = {"type": "magic", "enabled": True, "key": KEY, **(trigger or {})}
    return await house.event(triggers=[{"type": "manual", "enabled": False}, magic], fields=FIELDS, **changes)


async def launched(desk: Desk, answer: tuple[int, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    status, body = answer
    assert (status, body["code"]) == (200, 0), body
    job = desk.work.term.job(body["id"])
    return job.job, job.details


@pytest.mark.parametrize("path", [f"magic/v1/{KEY}", f"magic/{KEY}", f"magic/v2/{KEY}/"])
async def test_whoever_has_the_link_launches_the_event(desk: Desk, path: str) -> None:
    event = await linked(desk.house, username="ann")
    body = {"who": "ann", "more": 1, "input": {"data": {"n": 1}}, "json": {"size": "l"}}
    answer = await desk.call(path, body, key="", who="bob")
    job, details = await launched(desk, answer)
    assert answer[1]["stream"] == tokens.stream_token(job["id"], SECRET)
    assert answer[1]["description"]
    assert (job["event"], job["source"], job["username"]) == (event["id"], "magic", event["username"])
    wanted = {
        "script": "true",
        "who": "bob",
        "more": 1,
        "size": "l",
        "fixed": "mine",
        "inner": "h",
        "really": True,
    }
    assert job["params"] == wanted
    assert details["input"]["data"] == {"n": 1}


async def test_what_the_author_has_not_offered_cannot_be_set(desk: Desk) -> None:
    """Where to be better of events.yaml and jobs.md 4: locked and hidden fields, overrides from a public link."""
    await linked(desk.house)
    job, _ = await launched(desk, await desk.call(f"magic/v1/{KEY}", {"fixed": "x", "inner": "y"}, key=""))
    assert (job["params"]["fixed"], job["params"]["inner"]) == ("mine", "h")
    for name in ("_xy_override_targets", "_xy_override_command", "_xy_override_label"):
        status, answer = await desk.call(f"magic/v1/{KEY}", {name: "x"}, key="")
        assert (status, answer["code"]) == (400, "api")
        assert "reserved" in answer["description"]
    status, answer = await desk.call(f"magic/v1/{KEY}", {"who": "BOB"}, key="")
    assert (status, answer["code"]) == (400, "api")
    job, _ = await launched(
        desk, await desk.call(f"magic/v1/{KEY}", {"priority": True, "server": "x"}, key="")
    )
    assert "priority" not in job


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("magic/v1/wrong", "api"), ("magic/v1", "api"), ("magic/v1/", "api"), ("magic/v1/a/b/c", "api"),
        ("magic/v1/%00", "api"), ("form/v1/wrong", "api"), ("form/v1", "api"), (f"magic/v1/{'x' * 600}", "api"),
    ],
)  # fmt: skip
async def test_a_wrong_link_opens_nothing(desk: Desk, path: str, code: str) -> None:
    await linked(desk.house)
    status, answer = await desk.call(path, {}, key="")
    assert (status, answer["code"]) == (400, code)
    assert desk.work.jobs() == []


async def test_a_link_that_is_off_or_over_opens_nothing(desk: Desk) -> None:
    """Where to be better of events.yaml: links had no expiry and no rate limit."""
    await linked(desk.house, {"enabled": False})
    assert (await desk.call(f"magic/v1/{KEY}", {}, key=""))[1]["description"] == "Authentication failed."
    await linked(desk.house, {"key": "over", "expires": clock.now() - 1})
    assert (await desk.call("magic/v1/over", {}, key=""))[1]["code"] == "api"
    await linked(desk.house, {"key": "rare", "max_per_min": 2})
    codes = [(await desk.call("magic/v1/rare", {}, key=""))[1]["code"] for _ in range(3)]
    assert codes == [0, 0, "rate"]
    await linked(desk.house, {"key": "sleeping"}, enabled=False)
    assert (await desk.call("magic/v1/sleeping", {}, key=""))[1]["code"] == "event"


async def test_waiting_answers_the_record(desk: Desk) -> None:
    await linked(desk.house)
    waiting = asyncio.create_task(desk.call(f"magic/v1/{KEY}/wait", {}, key=""))
    await until(lambda: desk.house.satellites.launched, "it is launched")
    desk.work.term.result(desk.house.satellites.launched[-1])
    status, answer = await waiting
    assert (status, answer["job"]["final"], answer["job"]["source"]) == (200, True, "magic")


def upload(*names: str, size: int = 10) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("who", "ann")
    for number, name in enumerate(names, 1):
        form.add_field(f"file{number}", b"x" * size, filename=name)
    return form


async def test_uploads_keep_to_the_events_file_limit(desk: Desk) -> None:
    limit = {"type": "file", "enabled": True, "amount": 2, "size": 25}
    await linked(desk.house, limits=[limit])
    job, details = await launched(
        desk, await desk.call(f"magic/v1/{KEY}", data=upload("a.txt", "b.txt"), key="")
    )
    assert job["params"]["who"] == "ann"
    files = details["input"]["files"]
    assert [(one["filename"], one["magic"]) for one in files] == [("a.txt", True), ("b.txt", True)]
    assert all(one["path"].startswith("files/magic/") for one in files)
    for form in (upload("a", "b", "c"), upload("a", size=26)):
        status, answer = await desk.call(f"magic/v1/{KEY}", data=form, key="")
        assert (status, answer["code"]) == (400, "event")
    await linked(desk.house, {"key": "none"}, limits=[{**limit, "amount": 0}])
    status, answer = await desk.call("magic/v1/none", data=upload("a"), key="")
    assert (status, "disabled" in answer["description"]) == (400, True)


async def test_the_page_escapes_what_it_shows_and_runs_no_script_but_its_own(desk: Desk) -> None:
    body = (
        "# Hello\n<!-- Button: Go <b>now</b> --><!-- Response: Thanks & bye --><script>alert(1)</script>\n\n"
        "[a link](javascript:alert(1)) <img src=x onerror=alert(1)>"
    )
    evil = {
        "id": "evil",
        "type": "text",
        "title": '"><script>alert(2)</script>',
        "value": '"><img onerror=1>',
    }
    await desk.house.definitions.restore(
        {"events": [{**await desk.house.event(), "id": "paged", "title": "A & B <i>", "fields": [*FIELDS, evil],
                     "triggers": [{"type": "magic", "enabled": True, "body": body,
                                   "token": tokens.sha256_hex(KEY, "paged")}]}]}
    )  # fmt: skip
    async with desk.client.get(f"{desk.url}/api/app/form/v1/{KEY}") as response:
        html = await response.text()
        assert response.status == 200
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([\w\-]+)'", policy)
    assert nonce is not None
    assert "default-src 'none'" in policy
    assert re.findall(r"<script[^>]*>", html) == [f'<script nonce="{nonce[1]}">']
    assert "alert(2)</script>" not in html
    assert "<img onerror" not in html
    assert "onerror=alert" not in html
    assert 'href="javascript:' not in html
    assert "<h1>A &amp; B &lt;i&gt;</h1>" in html
    assert "<h1>Hello</h1>" in html
    assert "Go &lt;b&gt;now&lt;/b&gt;" in html
    assert 'data-response="Thanks &amp; bye"' in html
    assert 'name="who"' in html
    assert 'name="fixed"' not in html
    assert 'name="inner"' not in html
    assert '<option value="l">Large</option>' in html
    assert f'action="/api/app/magic/v1/{KEY}"' in html
    async with desk.client.get(f"{desk.url}/api/app/form/v1/{KEY}") as response:
        assert response.headers["Content-Security-Policy"] != policy


async def test_of_many_events_only_those_with_links_are_looked_at(desk: Desk) -> None:
    docs = [{**await desk.house.event(), "id": f"plain{number}"} for number in range(5)]
    await desk.house.definitions.restore({"events": docs})
    event = await linked(desk.house)
    job, _ = await launched(desk, await desk.call(f"magic/v1/{KEY}", {}, key=""))
    assert job["event"] == event["id"]
