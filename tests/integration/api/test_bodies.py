"""How requests are read, by the loop-back call `echo`. Contract api/README.md §2."""

import asyncio
import gzip
import json
from typing import Any

import aiohttp
import pytest

from tests.integration.api.conftest import Served

JSON = {"Content-Type": "application/json"}
BAD_FIELD = b'--b\r\nContent-Disposition: form-data; name="json"\r\n\r\n{\r\n--b--\r\n'
NESTED = b"--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n--b--"


async def echo(served: Served, **options: Any) -> tuple[int, dict[str, Any]]:
    query = options.pop("query", "")
    async with served.client.post(f"{served.url}/api/app/echo/v1{query}", **options) as response:
        return response.status, await response.json()


async def test_query_strings(served: Served) -> None:
    status, body = await echo(served, query="?a=1&b=x+y&b=%C3%A9&cachebust=9&api_key=secret&empty=&flag")
    assert status == 200
    assert "code" not in body
    assert body["query"] == {"a": "1", "b": ["x y", "é"], "cachebust": "9", "empty": "", "flag": ""}
    assert "secret" not in json.dumps(body)


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/javascript; charset=utf-8"])
async def test_json_by_content_type(served: Served, kind: str) -> None:
    _, body = await echo(served, data=b'{"a":{"b":[1]}}', headers={"Content-Type": kind})
    assert body["params"] == {"a": {"b": [1]}}


@pytest.mark.parametrize("text", [b"[1,2]", b"7", b"null", b'"x"', b"", b"  "])
async def test_json_that_is_no_object(served: Served, text: bytes) -> None:
    assert (await echo(served, data=text, headers=JSON))[1]["params"] == {}


@pytest.mark.parametrize(
    "text",
    [
        b"{",
        b"\xff\xfe",
        b'{"a":"\xff"}',
        b'{"a":"\\ud800"}',
        b"[" * 100_000,
        b'{"a":' * 300 + b"1" + b"}" * 300,
        b'{"a":1e999}',
        b'{"a":' + b"9" * 5_000 + b"}",
        b'{"a":NaN}',
    ],
)
async def test_malformed_json(served: Served, text: bytes) -> None:
    status, body = await echo(served, data=text, headers=JSON)
    assert (status, body["code"]) == (400, "api")


async def test_large_integers_survive(served: Served) -> None:
    _, body = await echo(served, data=b'{"a":123456789012345678901234567890}', headers=JSON)
    assert body["params"] == {"a": 123456789012345678901234567890}


async def test_forms(served: Served) -> None:
    _, body = await echo(served, data={"a": "1", "b": "two words"})
    assert body["params"] == {"a": "1", "b": "two words"}


async def test_other_content_is_left_alone(served: Served) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    status, body = await echo(served, data=b"{", headers=kind)
    assert (status, body["params"]) == (200, {})


async def test_get_with_a_json_body(served: Served) -> None:
    await served.call("create_tag", {"id": "one", "title": "One"})
    headers = {"X-API-Key": served.admin_key}
    url = served.url + "/api/app/get_tag/v1"
    async with served.client.request("GET", url, json={"id": "one"}, headers=headers) as response:
        assert (await response.json())["tag"]["title"] == "One"


async def test_compressed_bodies_and_bombs(served: Served) -> None:
    headers = {**JSON, "Content-Encoding": "gzip"}
    _, body = await echo(served, data=gzip.compress(b'{"a":1}'), headers=headers)
    assert body["params"] == {"a": 1}
    bomb = gzip.compress(b'{"a":"' + b"x" * 4_000_000 + b'"}')
    status, body = await echo(served, data=bomb, headers=headers)
    assert (status, body["code"]) == (400, "api")
    status, body = await echo(served, data=b"not gzip", headers=headers)
    assert status == 400


async def test_bodies_that_are_too_large(served: Served) -> None:
    size = served.settings.WebServer.max_json_size + 1
    status, body = await echo(served, data=b" " * size, headers=JSON)
    assert (status, body["code"]) == (400, "api")

    async def chunks() -> Any:
        for _ in range(20):
            yield b" " * 65_536

    status, body = await echo(served, data=chunks(), headers=JSON)
    assert (status, body["code"]) == (400, "api")


async def test_multipart(served: Served) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("a", "1")
    form.add_field("json", '{"b":{"c":2}}')
    form.add_field("file1", b"x" * 300_000, filename="../../etc/report.txt", content_type="text/plain")
    form.add_field("file1", b"second", filename="second.txt")
    form.add_field("file2", b"y", filename="b.bin")
    status, body = await echo(served, data=form)
    assert status == 200
    assert body["params"] == {"a": "1", "b": {"c": 2}}
    assert body["files"]["file1"]["name"] == "report.txt"
    assert body["files"]["file1"]["size"] == 300_000
    assert body["files"]["file2"]["size"] == 1
    assert list(served.uploads.iterdir()) == []


@pytest.mark.parametrize(("name", "content"), [("...", b"x"), ("empty.txt", b""), ("a/", b"x")])
async def test_unusable_files(served: Served, name: str, content: bytes) -> None:
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("file", content, filename=name)
    status, body = await echo(served, data=form)
    assert (status, body["code"]) == (400, "api")
    assert list(served.uploads.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"--b\r\n\r\nunfinished"),
        (
            "multipart/form-data; boundary=b",
            BAD_FIELD,
        ),
        (
            "multipart/mixed; boundary=b",
            NESTED,
        ),
    ],
)
async def test_malformed_multipart(served: Served, kind: str, text: bytes) -> None:
    status, body = await echo(served, data=text, headers={"Content-Type": kind})
    assert (status, body["code"]) == (400, "api")


async def test_strangers_upload_nothing(served: Served) -> None:
    """With bad credentials in the header the answer comes before the files."""
    reader, writer = await asyncio.open_connection(*served.url.removeprefix("http://").split(":"))
    writer.write(
        b"POST /api/app/create_tag/v1 HTTP/1.1\r\nHost: x\r\nX-API-Key: wrong\r\nContent-Length: 900000\r\n"
        b"Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    )
    async with asyncio.timeout(5):
        assert b"401" in await reader.readline()
    writer.close()
    assert list(served.uploads.iterdir()) == []


async def test_client_addresses_and_https(served: Served) -> None:
    headers = {
        "X-Forwarded-For": "203.0.113.9, 10.0.0.1",
        "X-Real-IP": "10.1.1.1",
        "X-Forwarded-Proto": "https",
    }
    _, body = await echo(served, data=b"{}", headers=headers | JSON)
    assert body["ips"] == ["10.1.1.1", "203.0.113.9", "10.0.0.1", "127.0.0.1"]
    assert body["url"].startswith("https://127.0.0.1")


async def test_echo_keeps_credentials_to_itself(served: Served) -> None:
    headers = JSON | {"X-API-Key": "topsecret", "Cookie": "session_id=topsecret; theme=dark"}
    _, body = await echo(served, data=b'{"csrf_token":"topsecret","a":1}', headers=headers)
    assert "topsecret" not in json.dumps(body)
    assert body["cookies"] == {"theme": "dark"}


async def test_sleep_must_be_a_number(served: Served) -> None:
    status, body = await echo(served, query="?sleep=soon", data=b"")
    assert (status, body["description"]) == (400, "Parameter is not type integer: sleep")
