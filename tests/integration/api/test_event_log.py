"""The causal event log over HTTP: every field and status of its reference, on both databases."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from conductor.audit.resources import RESOURCE_TYPES, event_id, resource_id
from conductor.cli.client import EventParser
from conductor.signals import SYSTEM, EventRow
from tests.databases import database_url, postgres
from tests.integration.api.conftest import PASSWORD, Served, serving

__all__ = ["database_url", "postgres"]

ROOT = "/api/v1/events"
START = 1_700_000_000_000_000
STORY = event_id("story", 1)
UNKNOWN = "497f6eca-6276-4993-bfeb-53cbbbba6f08"


def row(number: int, type: str = "job.succeeded", **columns: Any) -> EventRow:
    made = EventRow(
        id=event_id(type, number), occurred=START + number * 1_000_000, type=type, actor_type="user",
        actor="admin", resource_type="automation_run", resource=resource_id("automation_run", f"j{number}"),
        correlation=STORY, causation="", category="", groups="",
        payload=msgspec.json.encode({"id": f"j{number}"}),
    )  # fmt: skip
    return made._replace(**columns)


def shown(number: int, type: str = "job.succeeded", **fields: Any) -> dict[str, Any]:
    """An event as the reference shows it."""
    return {
        "actorId": "admin",
        "actorType": "user",
        "causationId": None,
        "correlationId": STORY,
        "eventType": type,
        "id": event_id(type, number),
        "occurredAt": f"2023-11-14T22:13:{20 + number}.000000Z",
        "payload": {"id": f"j{number}"},
        "resourceId": resource_id("automation_run", f"j{number}"),
        "resourceType": "automation_run",
        "tenantId": "default",
        **fields,
    }


@pytest.fixture
async def served(tmp_path: Path, database_url: str) -> AsyncIterator[Served]:
    async with serving(tmp_path, database_url=database_url) as one:
        yield one


async def get(
    served: Served,
    path: str = "",
    *,
    headers: dict[str, str] | None = None,
    method: str = "GET",
    **query: str,
) -> tuple[int, Any]:
    shown_by = {"X-API-Key": served.admin_key} if headers is None else headers
    async with served.client.request(
        method, f"{served.url}{ROOT}{path}", params=query, headers=shown_by
    ) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


async def problem(served: Served, path: str, **query: str) -> dict[str, Any]:
    """What a call is refused with, when it is one thing alone."""
    status, answer = await get(served, path, **query)
    assert (status, list(answer)) == (422, ["detail"]), answer
    [only] = answer["detail"]
    assert sorted(only) == ["loc", "msg", "type"]
    assert only["msg"]
    return dict(only)


async def test_every_answer_of_the_event_log_has_the_shape_of_the_reference(served: Served) -> None:
    start = await _last_id(served)
    cause = event_id("job.started", 1)
    failed = row(
        2, "job.failed", actor="s1", actor_type="satellite", causation=cause, correlation=event_id("other")
    )
    await served.records.write(events=[row(1), failed])

    status, listed = await get(served, limit="1")
    assert status == 200
    total = listed.pop("total")
    two = shown(
        2,
        "job.failed",
        actorId="s1",
        actorType="satellite",
        causationId=cause,
        correlationId=event_id("other"),
    )
    assert listed == {"events": [two], "hasNext": total > 1, "limit": 1, "offset": 0}
    assert await get(served, limit="1", offset="1") == (
        200,
        {"events": [shown(1)], "hasNext": total > 2, "limit": 1, "offset": 1, "total": total},
    )
    assert await get(served, f"/{event_id('job.succeeded', 1)}") == (200, shown(1))
    page = {"events": [shown(1)], "hasNext": False, "limit": 100, "offset": 0, "total": 1}
    assert await get(served, f"/correlation/{STORY}") == (200, page)
    for id in ("j1", resource_id("automation_run", "j1"), resource_id("automation_run", "j1").upper()):
        assert await get(served, f"/resource/automation_run/{id}") == (200, page)
    when = {"from": "2023-11-14T22:13:20Z", "to": "2023-11-14T23:13:22+01:00"}
    assert await get(served, "/aggregate", **when) == (
        200,
        {
            "byActorType": [{"key": "satellite", "count": 1}, {"key": "user", "count": 1}],
            "byEventType": [{"key": "job.failed", "count": 1}, {"key": "job.succeeded", "count": 1}],
            "byResourceType": [{"key": "automation_run", "count": 2}],
            "total": 2,
        },
    )
    assert await get(served, "/stats/by-actor", **when) == (
        200,
        {
            "actors": [
                {"actorId": "admin", "actorType": "user", "failures": 0, "successes": 1, "total": 1},
                {"actorId": "s1", "actorType": "satellite", "failures": 1, "successes": 0, "total": 1},
            ]
        },
    )
    assert start != event_id("job.failed", 2)


async def _last_id(served: Served) -> str:
    _, listed = await get(served, limit="1")
    return str(listed["events"][0]["id"])


def six() -> dict[str, str]:
    """The endpoints of the reference, by the name it gives each."""
    return {
        "List Events": "",
        "Aggregate Events": "/aggregate",
        "List Events By Correlation": f"/correlation/{STORY}",
        "List Events By Resource": "/resource/automation_run/j1",
        "Stats By Actor": "/stats/by-actor",
        "Get Event": f"/{event_id('job.succeeded', 1)}",
    }


async def test_each_endpoint_of_the_event_log_knows_the_caller_by_each_of_three_means(served: Served) -> None:
    await served.records.write(events=[row(1)])
    for name, path in six().items():
        for means in (
            {"Authorization": f"Bearer {served.admin_key}"},
            {"X-API-Key": served.admin_key},
            {"Cookie": f"vai_token={served.admin_key}"},
        ):
            assert (await get(served, path, headers=means))[0] == 200, (name, means)
        for wrong in ({}, {"Authorization": "Bearer x"}, {"X-API-Key": "x"}, {"Cookie": "vai_token=x"}):
            status, answer = await get(served, path, headers=wrong)
            assert (status, sorted(answer["detail"][0])) == (401, ["loc", "msg", "type"]), (name, wrong)


async def test_each_page_of_the_event_log_has_the_limits_of_the_reference(served: Served) -> None:
    """100 and 0 unless told; 1 to 100, and from 0."""
    await served.records.write(events=[row(1), row(2, resource=resource_id("automation_run", "j1"))])
    paths = [six()[f"List Events{by}"] for by in ("", " By Correlation", " By Resource")]
    for path in paths:
        _, page = await get(served, path)
        assert (page["limit"], page["offset"], page["hasNext"]) == (100, 0, False), path
        assert sorted(page) == ["events", "hasNext", "limit", "offset", "total"]
        for limit in ("1", "100"):
            status, page = await get(served, path, limit=limit, offset="0")
            assert (status, page["limit"], page["hasNext"]) == (200, int(limit), limit == "1"), path
        _, beyond = await get(served, path, offset=str(page["total"]))
        assert (beyond["events"], beyond["hasNext"], beyond["total"]) == ([], False, page["total"])
        for name, value, kind in (
            ("limit", "0", "greater_than_equal"),
            ("limit", "101", "less_than_equal"),
            ("limit", "1.5", "int_parsing"),
            ("limit", "", "int_parsing"),
            ("offset", "-1", "greater_than_equal"),
            ("offset", "ten", "int_parsing"),
        ):
            found = await problem(served, path, **{name: value})
            assert (found["loc"], found["type"]) == (["query", name], kind), (path, name, value)


async def test_each_range_of_the_event_log_is_checked(served: Served) -> None:
    await served.records.write(events=[row(1), row(2)])
    one = "2023-11-14T22:13:21Z"
    for path in ("", "/aggregate", "/stats/by-actor"):
        for name in ("from", "to"):
            found = await problem(served, path, **{name: "yesterday"})
            assert (found["loc"], found["type"]) == (["query", name], "datetime_parsing"), path
        reversed_range = await problem(served, path, **{"from": "2024-01-02", "to": "2024-01-01"})
        assert (reversed_range["loc"], reversed_range["type"]) == (["query", "from"], "value_error"), path
        status, answer = await get(served, path, **{"from": one, "to": one})
        assert status == 200
        assert (answer["actors"][0] if "actors" in answer else answer)["total"] == 1, "both ends are in it"


async def test_a_story_is_a_tree_on_request(served: Served) -> None:
    first = row(1, "job.accepted")
    await served.records.write(events=[row(2, "job.started", causation=first.id), first])
    status, answer = await get(served, f"/correlation/{STORY}", tree="true")
    [root] = answer["tree"]
    [child] = root["children"]
    assert (status, answer["correlationId"], answer["total"]) == (200, STORY, 2)
    assert (root["event"], root["after"]) == (shown(1, "job.accepted"), None)
    assert child == {
        "event": shown(2, "job.started", causationId=first.id), "after": 1.0, "children": [],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"event_type": "job.failed"}, [2]),
        ({"resource_type": "decision"}, [3]),
        ({"resource_id": resource_id("automation_run", "j1")}, [1]),
        ({"resource_type": "automation_run", "resource_id": "j2"}, [2]),
        ({"from": "2023-11-14T22:13:22", "to": "1700000002"}, [2]),
        ({"from": "2023-11-14T22:13:22Z", "to": "2023-12-01"}, [3, 2]),
        ({"event_type": "nothing.at_all"}, []),
    ],
)
async def test_filters_of_the_event_log(served: Served, query: dict[str, str], numbers: list[int]) -> None:
    await served.records.write(
        events=[row(1), row(2, "job.failed"), row(3, "job.queued", resource_type="decision")]
    )
    status, answer = await get(served, **query)
    assert status == 200
    assert [int(one["payload"]["id"][1:]) for one in answer["events"]] == numbers
    assert answer["total"] == len(numbers)


@pytest.mark.parametrize(
    ("path", "query", "loc", "kind"),
    [
        ("", {"limit": "0"}, ["query", "limit"], "greater_than_equal"),
        ("", {"limit": "101"}, ["query", "limit"], "less_than_equal"),
        ("", {"limit": "ten"}, ["query", "limit"], "int_parsing"),
        ("", {"offset": "-1"}, ["query", "offset"], "greater_than_equal"),
        ("", {"resource_type": "job"}, ["query", "resource_type"], "enum"),
        ("", {"resource_id": "497f6eca-6276-4993-bfeb-53cb"}, ["query", "resource_id"], "uuid_parsing"),
        ("", {"event_type": "x" * 500}, ["query", "event_type"], "string_too_long"),
        ("", {"from": "yesterday"}, ["query", "from"], "datetime_parsing"),
        ("", {"to": "9" * 40}, ["query", "to"], "datetime_parsing"),
        ("", {"from": "2024-01-02", "to": "2024-01-01"}, ["query", "from"], "value_error"),
        ("/aggregate", {"from": "2024-01-02", "to": "2024-01-01"}, ["query", "from"], "value_error"),
        ("/stats/by-actor", {"to": "never"}, ["query", "to"], "datetime_parsing"),
        ("/correlation/c1", {"limit": "1000"}, ["query", "limit"], "less_than_equal"),
        ("/correlation/c1", {"tree": "perhaps"}, ["query", "tree"], "bool_parsing"),
        ("/resource/job/j1", {}, ["path", "resource_type"], "enum"),
        (
            "/resource/automation_run/497f6eca-6276-4993-bfeb-53cb",
            {},
            ["path", "resource_id"],
            "uuid_parsing",
        ),
        ("/not-a-uuid", {}, ["path", "event_id"], "uuid_parsing"),
        ("/stream", {"resource_type": "job"}, ["query", "resource_type"], "enum"),
    ],
)
async def test_bad_input_of_the_event_log(
    served: Served, path: str, query: dict[str, str], loc: list[str], kind: str
) -> None:
    found = await problem(served, path, **query)
    assert (found["loc"], found["type"]) == (loc, kind)


async def test_everything_that_is_wrong_is_named_at_once(served: Served) -> None:
    status, answer = await get(served, limit="0", offset="x", resource_type="?")
    assert status == 422
    assert {one["loc"][1] for one in answer["detail"]} == {"limit", "offset", "resource_type"}


async def test_other_statuses_of_the_event_log_have_the_same_shape(served: Served) -> None:
    for path, method, status, kind in (
        (f"/{UNKNOWN}", "GET", 404, "not_found"),
        ("/no/such/thing", "GET", 404, "not_found"),
        ("", "POST", 405, "method_not_allowed"),
    ):
        found, answer = await get(served, path, method=method)
        assert (found, answer["detail"][0]["type"]) == (status, kind)
    served.seat.primary = False
    found, answer = await get(served)
    assert (found, answer["detail"][0]["type"]) == (503, "not_primary")


async def test_the_event_log_asks_who_is_there(served: Served) -> None:
    """By each of the three means, with an API key or a session."""
    session, _, _ = await served.accounts.log_in("admin", PASSWORD, "127.0.0.1", "")
    for token in (served.admin_key, session):
        for means in (
            {"Authorization": f"Bearer {token}"},
            {"X-API-Key": token},
            {"Cookie": f"vai_token={token}"},
        ):
            assert (await get(served, headers=means))[0] == 200, means
    for wrong in (
        {},
        {"Authorization": "Bearer wrong"},
        {"X-API-Key": "wrong"},
        {"Cookie": "vai_token=wrong"},
    ):
        status, answer = await get(served, headers=wrong)
        [only] = answer["detail"]
        assert (status, only["loc"], only["type"]) == (401, ["header", "authorization"], "unauthorized")
        assert only["msg"]


async def test_only_what_the_caller_may_see_is_listed_and_counted(served: Served) -> None:
    await served.records.write(
        events=[
            row(1, category="ops"), row(2, category="web"), row(3, category="ops", groups=",main,"),
            row(4, category="ops", groups=",dmz,"), row(5), row(6, category="*"),
        ]
    )  # fmt: skip
    limited = {"X-API-Key": await served.key(categories=["ops"], groups=["main"], privileges={})}
    common = {"X-API-Key": await served.key(privileges={})}

    def numbers(answer: Any) -> list[int]:
        found = [one["payload"]["id"] for one in answer["events"] if one["eventType"] == "job.succeeded"]
        return [int(id[1:]) for id in found]

    path = f"/correlation/{STORY}"
    _, all_of_them = await get(served, path)
    assert numbers(all_of_them) == [1, 2, 3, 4, 5, 6]
    _, seen = await get(served, path, headers=limited)
    assert (numbers(seen), seen["total"]) == ([1, 3, 5], 3)
    _, seen = await get(served, path, headers=common)
    assert (numbers(seen), seen["total"]) == ([1, 2, 3, 4, 5], 5)
    hidden = event_id("job.succeeded", 2)
    assert (await get(served, f"/{hidden}", headers=limited))[0] == 404
    assert (await get(served, f"/{event_id('job.succeeded', 6)}", headers=common))[0] == 404
    _, tree = await get(served, path, headers=limited, tree="1")
    assert tree["total"] == 3
    _, sums = await get(served, "/aggregate", headers=limited, to="2023-12-01")
    assert (sums["total"], sums["byEventType"]) == (3, [{"key": "job.succeeded", "count": 3}])
    _, actors = await get(served, "/stats/by-actor", headers=limited, to="2023-12-01")
    assert [one["total"] for one in actors["actors"]] == [3]


async def test_a_definition_and_its_event_are_written_together(served: Served) -> None:
    status, made = await served.call("create_category", {"title": "Ops", "id": "ops"})
    assert (status, made["code"]) == (200, 0)
    _, page = await get(served, "/resource/template/ops")
    [created] = page["events"]
    assert (created["eventType"], created["actorType"]) == ("category.created", "api_key")
    assert created["payload"]["title"] == "Ops"
    await served.call("delete_category", {"id": "ops"})
    _, page = await get(served, "/resource/template/ops")
    assert [one["eventType"] for one in page["events"]] == ["category.deleted", "category.created"]


async def test_a_user_and_its_event_are_written_together(served: Served) -> None:
    user = {"username": "ann", "password": "long enough", "full_name": "Ann", "email": "ann@example.com"}
    await served.changes.create("ann", user["password"], {"full_name": "Ann"}, SYSTEM, welcome=False)
    _, page = await get(served, "/resource/template/ann")
    [created] = page["events"]
    assert (created["eventType"], created["payload"]) == ("user.created", {"id": "ann"})
    assert "long enough" not in str(page)


async def test_a_stream_resumes_after_the_last_event_without_loss(served: Served) -> None:
    await served.records.write(events=[row(1), row(2), row(3, "job.failed"), row(4)])
    headers = {"X-API-Key": served.admin_key, "Last-Event-ID": event_id("job.succeeded", 1)}
    url = f"{served.url}{ROOT}/stream?event_type=job.succeeded"
    async with served.client.get(url, headers=headers) as response:
        assert (response.status, response.content_type) == (200, "text/event-stream")
        seen = await _events(response, 2)
        await served.records.write(events=[row(5, "job.failed"), row(6)])
        seen += await _events(response, 1)
    assert [one["payload"]["id"] for one in seen] == ["j2", "j4", "j6"]
    assert seen[0] == shown(2)
    headers["Last-Event-ID"] = UNKNOWN
    async with served.client.get(url, headers=headers) as response:
        answer = await response.json()
        assert (response.status, answer["detail"][0]["loc"]) == (422, ["header", "Last-Event-ID"])


async def _events(response: aiohttp.ClientResponse, count: int) -> list[dict[str, Any]]:
    parser, found = EventParser(), []
    async with asyncio.timeout(10):
        async for chunk in response.content.iter_any():
            found += [event.data for event in parser.feed(chunk)]
            if len(found) >= count:
                break
    return found


def test_the_reference_names_these_resource_types() -> None:
    assert len(RESOURCE_TYPES) == 11
