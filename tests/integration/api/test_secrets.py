"""Secrets over HTTP: who may do what, and that values leave by decryption alone."""

import asyncio
from typing import Any

import aiohttp
import msgspec
import sqlalchemy as sa

from conductor.records.tables import activity
from tests.integration.api.conftest import PASSWORD, Served

VALUE = "horse-battery-staple"
FIELDS = [{"name": "TOKEN", "value": VALUE}]


async def create(served: Served, **more: Any) -> dict[str, Any]:
    await served.furnish()
    doc = {"id": "z1", "title": "Z", "fields": FIELDS, "notes": "where it is from", "plugins": ["shellplug"]}
    status, answer = await served.call("create_secret", doc | more)
    assert status == 200, answer
    return answer


async def rows_of(served: Served, action: str) -> list[dict[str, Any]]:
    """The stored activity rows of an action, as soon as there is one."""
    query = sa.select(activity.c.doc).where(activity.c.action == action)
    async with asyncio.timeout(10):
        while True:
            await served.signals.settled(5)
            await served.activity.flush(5)
            docs = await served.records.read(lambda sql: sql.execute(query).scalars().all())
            if docs:
                return [msgspec.json.decode(doc) for doc in docs]


async def test_values_leave_by_decryption_alone(served: Served) -> None:
    made = await create(served)
    assert made["secret"]["names"] == ["TOKEN"]
    answers: list[Any] = [made]
    for name, query in (
        *(
            ("get_secrets", {}),
            ("get_secret", {"id": "z1"}),
            ("get_multiple", {"lists": "all", "state": "1"}),
        ),
        ("get_references", {"type": "plugin", "id": "shellplug"}),
    ):
        answers.append(await served.call(name, **query))
    answers.append(await served.call("update_secret", {"id": "z1", "fields": FIELDS, "names": ["LIE"]}))
    assert VALUE not in repr(answers)
    assert await served.call("decrypt_secret", {"id": "z1"}) == (200, {"code": 0, "fields": FIELDS})


async def test_each_decryption_is_an_activity(served: Served) -> None:
    await create(served)
    await served.call("decrypt_secret", {"id": "z1"})
    [row] = await rows_of(served, "secret_access")
    assert (row["description"], row["secret"]["id"], "z1" in row["keywords"]) == ("Z", "z1", True)
    assert row["username"].startswith("k")
    assert VALUE not in repr(row)
    assert VALUE not in repr(await rows_of(served, "secret_create"))


async def test_refusals(served: Served) -> None:
    await create(served)
    for name, body, code in (
        ("decrypt_secret", {"id": "nosuch"}, "secret"),
        ("decrypt_secret", {}, "api"),
        ("create_secret", {"title": "Z", "id": "z1"}, "secret"),
        ("create_secret", {"title": "Z", "fields": [{"name": "constructor", "value": ""}]}, "secret"),
        ("create_secret", {"title": "Z", "fields": "x"}, "api"),
        ("update_secret", {"id": "nosuch", "title": "Z"}, "secret"),
        ("update_secret", {"id": "z1", "fields": [{"name": "1a", "value": ""}]}, "secret"),
        ("delete_secret", {"id": "nosuch"}, "secret"),
    ):
        status, answer = await served.call(name, body)
        assert (status, answer["code"]) == (400, code), (name, body, answer)
    assert (await served.call("decrypt_secret", {"id": "z1"}))[1]["fields"] == FIELDS


async def test_only_administrators_change_or_open_them(served: Served) -> None:
    await create(served)
    key = await served.key(privileges={"create_events": True, "edit_roles": True})
    for name in ("create_secret", "update_secret", "delete_secret", "decrypt_secret"):
        status, answer = await served.call(name, {"id": "z1", "title": "Z"}, key=key)
        assert (status, answer["code"]) == (403, "access")


async def test_a_link_does_not_open_a_secret(served: Served) -> None:
    """Better: decrypt_secret is no plain GET for whoever is logged in; an API key may still send one."""
    await create(served)
    login = {"username": "admin", "password": PASSWORD}
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        await browser.post(f"{served.url}/api/user/login", json=login)
        async with browser.get(f"{served.url}/api/app/decrypt_secret/v1?id=z1") as response:
            assert (await response.json())["code"] == "session"
    assert (await served.call("decrypt_secret", id="z1"))[1]["fields"] == FIELDS


async def test_what_others_see_of_a_secret(served: Served) -> None:
    """Better: notes and assignments are not for every user and key."""
    await create(served, categories=["general"])
    await served.call("create_category", {"id": "other", "title": "Other"})
    limited = await served.key(categories=["other"])
    for name, query in (("get_secrets", {}), ("get_secret", {"id": "z1"})):
        _, answer = await served.call(name, key=limited, **query)
        secret = answer["rows"][0] if name == "get_secrets" else answer["secret"]
        assert (secret["names"], secret["notes"], secret["categories"]) == (["TOKEN"], "", [])
        assert secret["plugins"] == ["shellplug"]
    _, answer = await served.call("get_secret", id="z1")
    assert (answer["secret"]["notes"], answer["secret"]["categories"]) == ("where it is from", ["general"])


async def test_deletion(served: Served) -> None:
    await create(served)
    assert (await served.call("delete_secret", {"id": "z1"}))[1] == {"code": 0}
    assert (await served.call("decrypt_secret", {"id": "z1"}))[1]["code"] == "secret"
    assert (await served.call("create_secret", {"id": "z1", "title": "Again"}))[0] == 200
    assert (await served.call("decrypt_secret", {"id": "z1"}))[1] == {"code": 0, "fields": []}


async def test_rest_secrets_yaml_versions_and_uses_over_http(served: Served) -> None:
    """No versions/rollback, no usage report. Values are told by decrypt_secret alone."""
    fields = [{"name": "A", "value": "first-value"}]
    made = (await served.call("create_secret", {"title": "S", "fields": fields}))[1]["secret"]
    id = made["id"]
    await served.call("update_secret", {"id": id, "fields": [{"name": "B", "value": "second-value"}]})
    status, answer = await served.call("get_secret_versions", {"id": id})
    assert (status, [row["names"] for row in answer["rows"]]) == (200, [["A"]])
    assert "first-value" not in str(answer)
    body = {"id": id, "replaced": answer["rows"][0]["replaced"]}
    status, restored = await served.call("restore_secret_version", body)
    assert (status, restored["names"], restored["revision"]) == (200, ["A"], 3)
    assert (await served.call("decrypt_secret", {"id": id}))[1]["fields"] == fields
    assert [row["names"] for row in (await served.call("get_secret_versions", {"id": id}))[1]["rows"]] == [
        ["B"],
        ["A"],
    ]
    assert (await served.call("get_secret_usage", {"id": id}))[1]["rows"] == []
    editor = await served.key(privileges={"edit_secrets": True, "edit_events": True})
    for name in ("get_secret_versions", "restore_secret_version", "get_secret_usage"):
        assert (await served.call(name, body, key=editor))[0] == 403
        assert (await served.call(name, {**body, "id": "nosuch"}))[1]["code"] == "secret"
    assert (await served.call("restore_secret_version", {"id": id, "replaced": 7}))[1]["code"] == "secret"
