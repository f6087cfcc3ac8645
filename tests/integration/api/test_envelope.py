"""Statuses, codes and shapes, seen by a client. Contract api/README.md §1-§6."""

import aiohttp
import pytest

from tests.integration.api.conftest import Served


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/app/ping/v1", 200, 0),
        ("/api/app/ping", 200, 0),
        ("/api/APP/ping/v99", 200, 0),
        ("/api/app/ping/v1/more", 200, 0),
        ("/api/app/error/v1", 400, "test"),
        ("/api/app/error", 200, "test"),
        ("/api/app/error/v1x", 200, "test"),
        ("/api/app/get_events/v1", 401, "session"),
        ("/api/app/get_events", 200, "session"),
        ("/api/app/get_event/v1", 401, "session"),
        ("/api/app/nothing_like_it/v1", 200, 1),
        ("/api/app/Ping/v1", 200, 1),
        ("/api/nowhere/ping/v1", 200, 1),
        ("/api/app/", 200, 1),
        ("/api/", 200, 1),
        ("/api/user/resume_session/v1", 200, 0),
        ("/api/user/login/v1", 200, "api"),
    ],
)
async def test_status_and_code(served: Served, path: str, status: int, code: object) -> None:
    async with served.client.get(served.url + path) as response:
        body = await response.json()
        assert (response.status, body["code"]) == (status, code)
        assert response.headers["Content-Type"] == "application/json"
        assert (await response.read()).endswith(b"\n")


async def test_unsupported_names_the_call(served: Served) -> None:
    async with served.client.get(served.url + "/api/app/nope/v1") as response:
        assert (await response.json())["description"] == "Unsupported API: app/api_nope"


async def test_refusals_of_an_account(served: Served) -> None:
    weak = await served.key(privileges={})
    assert (await served.call("get_event", {"id": "nope"}))[0] == 404
    assert (await served.call("get_event", {"id": "nope"}, v=""))[0] == 200
    status, body = await served.call("create_event", {}, key=weak)
    assert (status, body["code"]) == (403, "access")
    assert body["description"] == (
        'API Key "A key" does not have the "Create Events" privilege required to perform this action.'
    )
    status, body = await served.call("get_api_keys", key=weak)
    assert (status, body["code"]) == (403, "access")
    status, body = await served.call("get_events", key="unknown")
    assert (status, body["description"]) == (401, "Invalid API Key")


async def test_credentials_come_before_parameters(served: Served) -> None:
    assert (await served.call("create_event", {"toString": 1}, key=""))[1]["code"] == "session"


async def test_rate_of_a_key(served: Served) -> None:
    key = await served.key(max_per_sec=1)
    codes = [(await served.call("get_events", key=key))[0] for _ in range(20)]
    assert 200 in codes
    assert 429 in codes


async def test_standby(served: Served) -> None:
    served.seat.primary = False
    for v in ("", "/v1"):
        status, body = await served.call("get_events", v=v)
        assert (status, body["code"], body["host"]) == (500, "master", "one.example")
    assert (await served.call("ping"))[0] == 200
    async with served.client.post(
        served.url + "/api/user/login", json={"username": "admin", "password": "x"}
    ) as response:
        assert (response.status, (await response.json())["code"]) == (200, "login")
    async with served.client.get(served.url + "/health") as response:
        assert (response.status, await response.read()) == (503, b"")


async def test_standby_may_redirect(served: Served) -> None:
    served.seat.primary = False
    served.settings.redirect_master_requests = True
    async with served.client.get(
        served.url + "/api/app/get_events/v1?a=b", allow_redirects=False
    ) as response:
        assert response.status == 302
        assert response.headers["Location"] == served.url.replace("127.0.0.1", "one.example") + (
            "/api/app/get_events/v1?a=b"
        )


async def test_preflight_of_any_path(served: Served) -> None:
    async with served.client.options(
        served.url + "/api/app/whatever",
        headers={"Origin": "https://a.example", "Access-Control-Request-Headers": "x-api-key"},
    ) as response:
        assert response.status == 200
        assert response.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert response.headers["Access-Control-Allow-Headers"] == "x-api-key"
        assert response.headers["Access-Control-Allow-Methods"] == "POST, GET, HEAD, OPTIONS"
        assert "Access-Control-Allow-Credentials" not in response.headers


async def test_pretty_and_head(served: Served) -> None:
    async with served.client.get(served.url + "/api/app/ping?pretty=1") as response:
        assert await response.read() == b'{\n\t"code": 0\n}\n'
    async with served.client.head(served.url + "/api/app/ping") as response:
        assert response.status == 200


async def test_large_answers_are_compressed(served: Served) -> None:
    for number in range(120):
        await served.call("create_tag", {"id": f"tag{number}", "title": f"Tag {number} " + "x" * 100})
    raw = aiohttp.ClientSession(auto_decompress=False)
    async with raw:
        for _ in range(2):
            async with raw.get(
                served.url + "/api/app/get_tags/v1",
                headers={"X-API-Key": served.admin_key, "Accept-Encoding": "gzip"},
            ) as response:
                assert response.headers["Content-Encoding"] == "gzip"
                assert (await response.read())[:2] == b"\x1f\x8b"
        async with raw.get(
            served.url + "/api/app/get_tags/v1",
            headers={"X-API-Key": served.admin_key, "Accept-Encoding": "identity"},
        ) as response:
            assert "Content-Encoding" not in response.headers
            assert (await response.json())["list"]["length"] == 120


async def test_probes_and_documents(served: Served) -> None:
    async with served.client.get(served.url + "/health") as response:
        assert await response.json() == {"code": 0, "master": True}
    async with served.client.get(served.url + "/health/ready") as response:
        assert (response.status, (await response.json())["checks"]) == (200, {"database": True})
    await served.call("get_events")
    async with served.client.get(served.url + "/metrics") as response:
        text = await response.text()
        assert 'opsorbit_api_requests_total{code="0",endpoint="get_events"} 1.0' in text
        assert 'opsorbit_api_request_seconds_count{endpoint="get_events"} 1.0' in text
    async with served.client.get(served.url + "/api/openapi.json") as response:
        document = await response.json()
        assert document["openapi"] == "3.1.0"
        get_event = document["paths"]["/api/app/get_event/v1"]["get"]
        assert get_event["parameters"][0]["name"] == "id"
        assert get_event["parameters"][0]["required"] is True
    async with served.client.get(served.url + "/nowhere") as response:
        assert response.status == 404
