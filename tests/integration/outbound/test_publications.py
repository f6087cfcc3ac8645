"""Documents of other servers: whole ones of a bounded size, from where the air gap allows, or a refusal."""

import pytest

from conductor.errors import Refusal
from conductor.outbound.http import HttpClient
from conductor.outbound.publications import Publications
from conductor.settings import Settings
from tests.integration.outbound.peers import HttpPeer


@pytest.mark.parametrize(
    ("answer", "most", "words"),
    [
        ((200, {}, b"[1]"), 3, ""),
        ((200, {}, b"[1]"), 2, "longer than 2 bytes"),
        ((404, {}, b"[1]"), 99, "HTTP 404"),
    ],
)
async def test_a_document_comes_whole_or_not_at_all(
    answer: tuple[int, dict[str, str], bytes], most: int, words: str
) -> None:
    peer, client = HttpPeer(), HttpClient(Settings())
    await peer.start()
    peer.answers = [answer]
    try:
        if not words:
            assert await Publications(client).get(peer.url, most=most, timeout=5) == b"[1]"
            return
        with pytest.raises(Refusal, match=words):
            await Publications(client).get(peer.url, most=most, timeout=5)
    finally:
        await client.close()
        await peer.stop()


async def test_the_air_gap_holds_for_documents_too() -> None:
    peer = HttpPeer()
    client = HttpClient(Settings(airgap={"enabled": True, "blacklist": ["127.0.0.0/8"]}))
    await peer.start()
    try:
        with pytest.raises(Refusal):
            await Publications(client).get(peer.url, most=9, timeout=2)
        assert peer.requests == []
    finally:
        await client.close()
        await peer.stop()
