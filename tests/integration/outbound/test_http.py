"""The guarded client against a real server."""

import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from conductor.outbound.http import HttpClient, HttpFailed
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer


class Names(AbstractResolver):
    """Answers each question for a name with the next of these addresses."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = list(addresses)
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
        ]

    async def close(self) -> None:
        return None


async def test_an_answer_comes_back_whole(client: HttpClient, peer: HttpPeer) -> None:
    peer.answers = [(201, {"X-Reply": "yes"}, b"made")]
    answer = await client.request("POST", f"{peer.url}/x?a=1", headers={"X-Mine": "1"}, body=b"data")
    assert (answer.status, answer.headers["X-Reply"], answer.text, answer.truncated) == (
        201,
        "yes",
        "made",
        False,
    )
    method, path, headers, body = peer.requests[0]
    assert (method, path, headers["X-Mine"], body) == ("POST", "/x?a=1", "1", b"data")


async def test_a_name_that_changes_its_meaning_leads_nowhere(settings: Settings, peer: HttpPeer) -> None:
    names = Names("127.0.0.1", "169.254.169.254")
    client = HttpClient(settings, resolver=lambda: names)
    try:
        peer.answers = [(200, {"Connection": "close"}, b"first")]
        url = f"http://rebinding.example:{peer.port}/"
        assert (await client.request("GET", url)).text == "first"
        with pytest.raises(HttpFailed, match=r"169\.254\.169\.254"):
            await client.request("GET", url)
        assert names.asked == 2  # what is checked is what each connection goes to
    finally:
        await client.close()


@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]", "2852039166", "0xA9FEA9FE"])
async def test_web_hooks_yaml_no_ssrf_guard_metadata_is_out_of_reach(client: HttpClient, host: str) -> None:
    with pytest.raises(HttpFailed):
        await client.request("GET", f"http://{host}/latest/meta-data", timeout=2)


async def test_an_air_gap_holds_for_addresses_and_names(settings: Settings, peer: HttpPeer) -> None:
    settings.airgap = {"enabled": True, "whitelist": ["10.0.0.0/8"]}
    client = HttpClient(settings)
    try:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(HttpFailed, match="Air-gapped"):
                await client.request("GET", f"http://{host}:{peer.port}/")
        settings.airgap = {"enabled": True, "whitelist": []}
        assert (await client.request("GET", peer.url)).ok  # a change counts at once
    finally:
        await client.close()
    assert len(peer.requests) == 1


async def test_redirects_are_followed_only_when_asked(client: HttpClient, peer: HttpPeer) -> None:
    peer.answers = [(302, {"Location": "/next"}, b"")]
    assert (await client.request("GET", peer.url)).status == 302
    peer.answers = [(302, {"Location": "/next"}, b""), (200, {}, b"there")]
    answer = await client.request("POST", peer.url, body=b"x", follow=True)
    assert (answer.text, answer.redirects, answer.url) == ("there", 1, f"{peer.url}/next")
    assert [(method, body) for method, _, _, body in peer.requests[1:]] == [("POST", b"x"), ("GET", b"")]


async def test_a_redirect_is_checked_like_a_first_request(client: HttpClient, peer: HttpPeer) -> None:
    peer.answers = [(302, {"Location": "http://169.254.169.254/latest"}, b"")]
    with pytest.raises(HttpFailed, match="metadata"):
        await client.request("GET", peer.url, follow=True)
    peer.answers = [(302, {"Location": "file:///etc/passwd"}, b"")]
    with pytest.raises(HttpFailed, match="Malformed"):
        await client.request("GET", peer.url, follow=True)


async def test_credentials_stay_with_their_host(client: HttpClient, peer: HttpPeer) -> None:
    other = HttpPeer()
    await other.start()
    try:
        peer.answers = [(307, {"Location": f"{other.url}/x"}, b"")]
        headers = {"Authorization": "Bearer secret", "X-Token": "secret", "Content-Type": "text/plain"}
        await client.request("POST", peer.url, headers=headers, body=b"b", follow=True)
        method, _, arrived, body = other.requests[0]
        assert (method, body, arrived["Content-Type"]) == ("POST", b"b", "text/plain")
        assert "secret" not in str(arrived)
    finally:
        await other.stop()


async def test_redirects_in_a_circle_end(client: HttpClient, peer: HttpPeer) -> None:
    peer.answers = [(302, {"Location": "/again"}, b"")]
    with pytest.raises(HttpFailed, match="32"):
        await client.request("GET", peer.url, follow=True)
    assert len(peer.requests) == 33


async def test_large_and_slow_answers_are_cut_off(client: HttpClient, peer: HttpPeer) -> None:
    async def endless(request: web.Request, body: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            try:
                await response.write(b"x" * 65_536)
            except ConnectionError:
                return response

    peer.handler = endless
    answer = await client.request("GET", peer.url, limit=1000)
    assert (len(answer.body), answer.truncated) == (1000, True)

    silence = asyncio.Event()

    async def silent(request: web.Request, body: bytes) -> web.StreamResponse:
        await silence.wait()
        return web.Response()

    peer.handler = silent
    with pytest.raises(HttpFailed, match="Timed out") as failed:
        await client.request("GET", peer.url, timeout=0.2)
    assert failed.value.transient
    silence.set()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("ftp://127.0.0.1/", {}),
        ("http://", {}),
        ("nonsense", {}),
        ("http://127.0.0.1:1/", {"X": "a\r\nY: b"}),
        ("http://127.0.0.1:1/", {"X Y": "a"}),
        ("http://127.0.0.1:1/", {}),
    ],
)
async def test_what_cannot_be_sent_is_told_in_words(
    client: HttpClient, url: str, headers: dict[str, str]
) -> None:
    with pytest.raises(HttpFailed) as failed:
        await client.request("GET", url, headers=headers)
    assert str(failed.value)
