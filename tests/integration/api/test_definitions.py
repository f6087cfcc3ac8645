"""The calls of events, categories, groups, plugins and API keys. Contract api/README.md §7.2 and §10."""

from typing import Any

import pytest

from tests.integration.api.conftest import Served

EVENT = {
    "title": "Nightly",
    "enabled": True,
    "category": "general",
    "plugin": "shellplug",
    "targets": ["main"],
    "algo": "random",
}


async def furnish(served: Served) -> None:
    """A category, a group and a plugin, as a fresh install has them, and a second of each limit."""
    for name, body in (
        ("create_category", {"id": "general", "title": "General"}),
        ("create_category", {"id": "other", "title": "Other"}),
        ("create_group", {"id": "main", "title": "Main", "hostname_match": ".+"}),
        ("create_group", {"id": "lab", "title": "Lab", "hostname_match": "lab"}),
        (
            "create_plugin",
            {"id": "shellplug", "title": "Shell", "type": "event", "command": "[shell-plugin]"},
        ),
    ):
        status, answer = await served.call(name, body)
        assert status == 200, answer


async def event(served: Served, **properties: Any) -> dict[str, Any]:
    status, answer = await served.call("create_event", EVENT | properties)
    assert status == 200, answer
    return answer["event"]


async def ids(served: Served, name: str, key: str | None = None, **query: str) -> list[str]:
    status, answer = await served.call(name, key=key, **query)
    assert status == 200
    assert answer["list"]["length"] == len(answer["rows"])
    return [row["id"] for row in answer["rows"]]


async def test_life_of_a_category(served: Served) -> None:
    await furnish(served)
    status, answer = await served.call("create_category", {"title": "Ops", "extra": {"kept": [1]}})
    assert status == 200
    made = answer["category"]
    assert made["id"].startswith("ca")
    assert (made["revision"], made["sort_order"], made["extra"]) == (1, 2, {"kept": [1]})
    assert made["created"] == made["modified"]
    status, answer = await served.call("update_category", {"id": made["id"], "title": "Operations"})
    assert (status, answer) == (200, {"code": 0, "revision": 2, "modified": answer["modified"]})
    _, answer = await served.call("get_category", id=made["id"])
    assert (answer["category"]["title"], answer["category"]["revision"]) == ("Operations", 2)
    items = [{"id": "other", "sort_order": 0, "title": "ignored"}, {"id": "general", "sort_order": 1}]
    assert await served.call("multi_update_category", {"items": items}) == (200, {"code": 0})
    _, answer = await served.call("get_categories")
    assert {row["id"]: row["sort_order"] for row in answer["rows"]} == {
        "general": 1,
        "other": 0,
        made["id"]: 2,
    }
    assert await served.call("delete_category", {"id": made["id"]}) == (200, {"code": 0})
    assert await ids(served, "get_categories") == ["general", "other"]


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        ("get_category", {"id": "nope"}, 404, "notfound"),
        ("get_category", {}, 400, "api"),
        ("get_category", {"id": ["general"]}, 400, "api"),
        ("get_category", {"id": "../etc"}, 400, "api"),
        ("create_category", {"id": "general", "title": "Twice"}, 400, "category"),
        ("create_category", {"title": "<b>"}, 400, "api"),
        ("create_category", {"title": 7}, 400, "api"),
        ("create_category", {"title": "x", "icon": 7}, 400, "api"),
        ("create_category", {"title": "x", "icon": "a b"}, 400, "api"),
        ("create_category", {"title": "x", "__proto__": {}}, 400, "api"),
        ("create_category", {"id": "toString", "title": "x"}, 400, "api"),
        ("update_category", {"id": "nope", "title": "x"}, 400, "category"),
        ("delete_category", {"id": "nope"}, 400, "category"),
        ("delete_category", {"id": 7}, 400, "api"),
        ("multi_update_category", {"items": []}, 400, "api"),
        ("multi_update_category", {}, 400, "api"),
        ("multi_update_category", {"items": "x"}, 400, "api"),
    ],
)
async def test_refusals(served: Served, name: str, body: Any, status: int, code: str) -> None:
    await furnish(served)
    got, answer = await served.call(name, body)
    assert (got, answer["code"]) == (status, code), answer


async def test_descriptions_name_the_parameter(served: Served) -> None:
    for body, text in (
        ({}, "Missing parameter: id"),
        ({"id": "A B"}, "Malformed parameter: id"),
        ({"id": 5}, "Parameter is not type string: id"),
    ):
        assert (await served.call("get_category", body))[1]["description"] == text
    _, answer = await served.call("multi_update_category", {"items": "x"})
    assert answer["description"] == "Parameter is not an array: items"
    _, answer = await served.call("create_category", {"valueOf": 1})
    assert answer["description"] == "Invalid parameter: valueOf (illegal key)"


async def test_tags_are_removed_silently(served: Served) -> None:
    _, answer = await served.call("create_category", {"title": "x", "notes": "a <b>bold</b> word"})
    assert answer["category"]["notes"] == "a bold word"


async def test_body_endpoints_ignore_the_query(served: Served) -> None:
    status, answer = await served.call("create_category", {"title": "Body"}, title="Query", api_key="x")
    assert (status, answer["category"]["title"]) == (200, "Body")
    assert "api_key" not in answer["category"]


async def test_events_by_criteria(served: Served) -> None:
    await furnish(served)
    one = await event(served, tags=[])
    two = await event(served, enabled=False, targets=["main", "lab"])
    assert await ids(served, "get_events") == [one["id"], two["id"]]
    assert await ids(served, "get_events", enabled="1", pretty="1", cachebust="7") == [one["id"]]
    assert await ids(served, "get_events", targets="main,lab") == [two["id"]]
    assert await ids(served, "get_events", api_key=served.admin_key, key="", plugin="shellplug") == [
        one["id"],
        two["id"],
    ]


async def test_get_event_has_its_jobs(served: Served) -> None:
    await furnish(served)
    one = await event(served)
    _, answer = await served.call("get_event", id=one["id"])
    assert answer["jobs"] == [{"id": "j1", "event": one["id"]}]
    assert answer["queued"] == 2


async def test_update_event_returns_it(served: Served) -> None:
    await furnish(served)
    one = await event(served)
    _, answer = await served.call("update_event", {"id": one["id"], "title": "Daily", "revision": 1})
    assert (answer["event"]["title"], answer["event"]["revision"]) == ("Daily", 2)
    status, answer = await served.call("update_event", {"id": one["id"], "title": "Late", "revision": 1})
    assert (status, answer["code"]) == (400, "event")


async def test_limits_of_categories_and_groups(served: Served) -> None:
    await furnish(served)
    one = await event(served)
    two = await event(served, category="other", targets=["lab"])
    grants = {"create_events": True, "edit_events": True, "edit_categories": True}
    key = await served.key(privileges=grants, categories=["general"], groups=["main"])
    assert await ids(served, "get_events", key) == [one["id"]]
    assert await ids(served, "get_categories", key) == ["general"]
    assert await ids(served, "get_groups", key) == ["main"]
    assert len(await ids(served, "get_plugins", key)) == 1
    assert (await served.call("get_event", key=key, id=one["id"]))[0] == 200
    for name, body in (
        ("get_event", {"id": two["id"]}),
        ("get_category", {"id": "other"}),
        ("get_group", {"id": "lab"}),
        ("get_event_history", {"id": two["id"]}),
        ("update_event", {"id": two["id"], "title": "Mine"}),
        ("update_event", {"id": one["id"], "category": "other"}),
        ("update_event", {"id": one["id"], "targets": ["lab"]}),
        ("create_event", EVENT | {"category": "other"}),
        ("multi_update_category", {"items": [{"id": "general", "sort_order": 5}]}),
    ):
        status, answer = await served.call(name, body, key=key)
        assert (status, answer["code"]) == (403, "access"), (name, body)


async def test_roles_do_not_exist_yet_for_keys(served: Served) -> None:
    """A key may name roles before the definitions know the kind."""
    key = await served.key(roles=["all"], privileges={})
    assert (await served.call("get_events", key=key))[0] == 200


async def test_history_of_an_event(served: Served) -> None:
    await furnish(served)
    one = await event(served)
    await served.call("update_event", {"id": one["id"], "title": "Daily"})
    _, answer = await served.call("get_event_history", id=one["id"], limit="10")
    assert [row["action"] for row in answer["rows"]] == ["event_update", "event_create"]
    assert answer["list"]["length"] == 2
    assert answer["rows"][0]["event"]["title"] == "Daily"
    assert not {"ip", "ips", "headers"} & answer["rows"][0].keys()
    _, answer = await served.call("get_event_history", id=one["id"], offset="1")
    assert [row["action"] for row in answer["rows"]] == ["event_create"]
    assert (await served.call("get_event_history", id="nope"))[1]["code"] == "event"
    assert (await served.call("get_event_history", id=one["id"], sort_by="title"))[1]["code"] == "api"
    url = f"{served.url}/api/app/get_event_history/v1?id={one['id']}&ttl=5"
    async with served.client.get(url, headers={"X-API-Key": served.admin_key}) as response:
        assert response.headers["Cache-Control"] == "private, max-age=5, must-revalidate"


async def test_life_of_an_api_key(served: Served) -> None:
    status, answer = await served.call("create_api_key", {"title": "CI", "active": 0, "key": "mine"})
    assert status == 200
    plain, stored = answer["plain_key"], answer["api_key"]
    assert len(plain) == 24
    assert stored["active"] == 1
    assert len(stored["key"]) == 64
    assert (await served.call("get_events", key=plain))[0] == 200
    assert (await served.call("update_api_key", {"id": stored["id"], "active": 0, "key": "x"}))[0] == 200
    assert (await served.call("get_events", key=plain))[0] == 401
    assert (await served.call("update_api_key", {"id": stored["id"], "active": 1}))[0] == 200
    assert (await served.call("get_events", key=plain))[0] == 200
    assert (await served.call("update_api_key", {"id": stored["id"], "expires": 5}))[0] == 200
    assert (await served.call("get_events", key=plain))[0] == 401
    assert (await served.call("delete_api_key", {"id": stored["id"]}))[0] == 200
    assert (await served.call("get_api_key", {"id": stored["id"]}))[0] == 404
    assert stored["id"] not in served.accounts.keys.usage()
