"""Documents of others, through the guarded client."""

import pytest

from conductor.errors import Refusal
from conductor.outbound.fetch import Fetch
from conductor.outbound.http import HttpClient
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer


async def test_a_document_comes_whole_after_redirects(client: HttpClient, peer: HttpPeer) -> None:
    peer.answers = [(302, {"Location": f"{peer.url}/there"}, b""), (200, {}, b"[1]")]
    assert await Fetch(client).get(f"{peer.url}/here", most=3, timeout=5) == b"[1]"


@pytest.mark.parametrize(
    ("status", "body", "told"), [(404, b"", "HTTP 404"), (200, b"four", "larger than 3 bytes")]
)
async def test_anything_else_is_a_refusal(
    client: HttpClient, peer: HttpPeer, status: int, body: bytes, told: str
) -> None:
    peer.answers = [(status, {}, body)]
    with pytest.raises(Refusal, match=told):
        await Fetch(client).get(peer.url, most=3, timeout=5)


async def test_the_air_gap_holds_for_catalogues_too(
    client: HttpClient, settings: Settings, peer: HttpPeer
) -> None:
    with pytest.raises(Refusal, match=r"169\.254"):
        await Fetch(client).get("http://169.254.169.254/latest", most=3, timeout=5)
