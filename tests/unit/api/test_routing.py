from typing import Any

import pytest

from conductor.api.call import Call
from conductor.api.client import chosen, cookie, cookies
from conductor.api.compression import Compression, accepted, gzipped
from conductor.api.endpoint import Endpoint, NoParams
from conductor.api.openapi import document
from conductor.api.registry import Registry


async def handler(call: Call, params: NoParams) -> dict[str, Any]:
    return {}


ping = Endpoint("ping", handler, NoParams, "Ping")
login = Endpoint("login", handler, NoParams, "Log in", namespace="user")
registry = Registry((ping, login))


@pytest.mark.parametrize(
    ("path", "name", "rest", "versioned"),
    [
        ("/api/app/ping", "ping", "", False),
        ("/api/app/ping/", "ping", "/", False),
        ("/api/app/ping/v1", "ping", "", True),
        ("/api/app/ping/v1/", "ping", "/", True),
        ("/api/app/ping/v12/wait", "ping", "/wait", True),
        ("/api/app/ping/wait", "ping", "/wait", False),
        ("/api/app/ping/wait/v1", "ping", "/wait/v1", True),
        ("/api/app/ping/v1x", "ping", "/v1x", False),
        ("/api/app/ping.json", "ping", ".json", False),
        ("/api/App/ping", "ping", "", False),
        ("/api/user/login/v1", "login", "", True),
        ("/api/user/ping", None, "", False),
        ("/api/app/PING", None, "", False),
    ],
)
def test_paths(path: str, name: str | None, rest: str, versioned: bool) -> None:
    for _ in range(2):  # the second answer may come from the cache
        route = registry.find(path)
        assert route is not None
        assert (route.endpoint.name if route.endpoint else None) == name
        assert (route.rest, route.versioned) == (rest, versioned)


@pytest.mark.parametrize("path", ["/api/", "/api/app", "/api/app/", "/api//ping", "/api/app/%20"])
def test_paths_of_no_shape(path: str) -> None:
    assert registry.find(path) is None


def test_two_endpoints_cannot_share_a_name() -> None:
    with pytest.raises(ValueError, match="ping"):
        Registry((ping, ping))


def test_openapi_lists_every_endpoint() -> None:
    paths = document((ping, login), "1")["paths"]
    ours = {path for path in paths if not path.startswith("/api/v1/events")}
    assert ours == {"/api/app/ping/v1", "/api/user/login"}
    assert set(paths["/api/app/ping/v1"]) == {"get", "post"}


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("session_id=abc", "abc"),
        ("a=b; session_id=abc; c=d", "abc"),
        ("xsession_id=no; session_id=%61b", "ab"),
        ("session_id=", ""),
        ("nothing", ""),
    ],
)
def test_cookie(header: str, value: str) -> None:
    assert cookie(header, "session_id") == value


def test_cookies_are_readable() -> None:
    assert cookies("a=1; b=%c3%a9; broken; c=\udcff") == {"a": "1", "b": "é", "c": "\ufffd"}


@pytest.mark.parametrize(
    ("ips", "offset", "address"),
    [
        (("10.0.0.1", "203.0.113.7", "8.8.8.8"), None, "8.8.8.8"),
        (("10.0.0.1", "127.0.0.1"), None, "10.0.0.1"),
        (("10.0.0.1", "8.8.8.8"), 0, "10.0.0.1"),
        (("10.0.0.1", "8.8.8.8"), -1, "8.8.8.8"),
        (("10.0.0.1", "8.8.8.8"), 7, "8.8.8.8"),
        (("nonsense",), None, "nonsense"),
        ((), None, ""),
    ],
)
def test_chosen_address(ips: tuple[str, ...], offset: int | None, address: str) -> None:
    assert chosen(ips, offset) == address


@pytest.mark.parametrize(
    ("header", "yes"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("br", False),
        ("", False),
    ],
)
def test_accepted_encodings(header: str, yes: bool) -> None:
    assert accepted(header) is yes


async def test_repeated_bodies_are_compressed_once() -> None:
    compression, body = Compression(), b"x" * 200_000
    first = await compression.gzip(body, repeated=True)
    assert first == gzipped(body)
    assert await compression.gzip(body, repeated=True) is first
    assert await compression.gzip(body, repeated=False) is not first
