"""Who is let in, and what happens to bytes that make no sense."""

from typing import Any

import pytest

from tests.processes import ApiError, Client, Deployment

CREDENTIALS = [{}, {"X-API-Key": "wrong"}, {"X-Session-ID": "0" * 64}]


@pytest.mark.parametrize("headers", CREDENTIALS, ids=["none", "key", "session"])
@pytest.mark.parametrize(("version", "status"), [("/v1", 401), ("", 200)])
async def test_without_good_credentials_nothing_is_told(
    deployment: Deployment, headers: dict[str, str], version: str, status: int
) -> None:
    async with Client(deployment.url) as nobody:
        for name in ("get_events", "run_event", "get_job"):
            url = f"{deployment.url}/api/app/{name}{version}"
            # The parameters are wrong too; credentials are looked at first.
            async with nobody.session.post(url, json={"id": 7}, headers=headers) as response:
                answer = await response.json(content_type=None)
                assert (response.status, answer["code"]) == (status, "session")
                assert set(answer) == {"code", "description"}


async def test_a_wrong_password_opens_no_session(deployment: Deployment) -> None:
    async with Client(deployment.url) as nobody:
        with pytest.raises(ApiError) as wrong:
            await nobody.login("admin", "not the password")
        with pytest.raises(ApiError) as unknown:
            await nobody.login("nobody", "not the password")
        assert (wrong.value.code, wrong.value.description) == (unknown.value.code, unknown.value.description)
        with pytest.raises(ApiError) as still:
            await nobody.call("get_events")
        assert still.value.status == 401


async def test_a_session_works_like_a_key(deployment: Deployment) -> None:
    async with Client(deployment.url) as admin:
        await admin.login("admin", deployment.password)
        assert (await admin.call("get_events"))["code"] == 0
        assert (await admin.call("create_category", title="By session", enabled=True))["category"][
            "username"
        ] == "admin"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"{", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b'{"id": "\xc3\x28"}', "application/json"),
        (b"[" * 100_000, "application/json"),
        (b"--x\r\nno part", "multipart/form-data; boundary=x"),
    ],
)
async def test_malformed_bodies_are_refused_and_change_nothing(
    deployment: Deployment, client: Client, body: bytes, content_type: str
) -> None:
    before = await client.call("get_events")
    headers = {"X-API-Key": deployment.api_key, "Content-Type": content_type}
    url = f"{deployment.url}/api/app/create_event/v1"
    async with client.session.post(url, data=body, headers=headers) as response:
        assert response.status == 400
        assert "Traceback" not in await response.text()
    assert await client.call("get_events") == before


@pytest.mark.parametrize(
    "changes",
    [
        {"title": 7},
        {"title": ["x"]},
        {"enabled": "perhaps"},
        {"category": "nosuchcategory"},
        {"plugin": "nosuchplugin"},
        {"targets": "main"},
        {"targets": []},
        {"triggers": [{"type": "sometimes"}]},
        {"limits": "none"},
        {"params": []},
        {"id": "Not An ID"},
    ],
)
async def test_a_malformed_event_is_refused(client: Client, changes: dict[str, Any]) -> None:
    good: dict[str, Any] = {
        "title": "Refused",
        "enabled": True,
        "category": "general",
        "plugin": "shellplug",
        "targets": ["main"],
        "params": {"script": "#!/bin/sh\n"},
    }
    with pytest.raises(ApiError) as refused:
        await client.call("create_event", **{**good, **changes})
    assert (refused.value.status, refused.value.code) == (400, "api")
    assert refused.value.description


async def test_an_unknown_call_is_named(client: Client) -> None:
    with pytest.raises(ApiError) as refused:
        await client.call("no_such_call")
    assert (refused.value.status, refused.value.code) == (200, 1)
    assert "no_such_call" in refused.value.description
