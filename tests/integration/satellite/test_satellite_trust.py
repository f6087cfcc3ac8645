"""A satellite process and conductors that are not what they say (docs/security.md)."""

from typing import Any

import msgspec

from shared.protocol import proofs
from tests.integration.satellite.conductor_peer import TOKEN, Peer
from tests.integration.satellite.conftest import Satellite

OFFER = ("hello", {"nonce": "n" * 64, "id": "s1", "proof": proofs.METHOD})


def saved(satellite: Satellite) -> dict[str, Any]:
    return dict(msgspec.json.decode((satellite.data / "config.json").read_bytes()))


async def test_once_proven_it_never_shows_its_key_to_a_conductor_that_asks_for_it(
    peer: Peer, satellite: Satellite
) -> None:
    """A downgrade: somebody answers in the conductor's place and offers no proof."""
    satellite.configure(peer.port, require_proof=True)
    await satellite.start()
    await peer.until(lambda: len(peer.of("hello")) >= 2)
    assert peer.of("join") == []
    assert TOKEN not in str(peer.frames)


async def test_it_takes_no_job_from_a_conductor_that_does_not_know_its_key(
    peer: Peer, satellite: Satellite
) -> None:
    peer.answer_hello = OFFER
    satellite.configure(peer.port)
    await satellite.start()
    await peer.until(lambda: len(peer.of("join")) >= 2)
    assert all(set(join) == {"challenge", "proof"} for join in peer.of("join"))
    assert TOKEN not in str(peer.frames)
    # The peer said `joined` without a proof: it was left, and never told what is held here.
    assert peer.resumes == []
    assert "require_proof" not in saved(satellite)


async def test_a_conductor_of_the_original_gets_the_token(base_peer: Peer, satellite: Satellite) -> None:
    satellite.configure(base_peer.port)
    await satellite.start()
    await base_peer.joined()
    assert base_peer.of("join") == [{"token": TOKEN}]


async def test_it_upgrades_and_removes_only_an_installation(peer: Peer, satellite: Satellite) -> None:
    """It runs from a source tree here: there is nothing of the conductor's to replace, and nothing is touched."""
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    await peer.send("uninstall", {})
    await peer.send("upgrade", {})
    (told,) = await peer.until(lambda: peer.of("error"))
    assert "cannot be upgraded" in told["description"]
    assert (satellite.data / "config.json").exists()


async def test_what_a_crash_left_is_reported_once(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    (satellite.data / "logs").mkdir()
    (satellite.data / "logs" / "crash.log").write_text("ValueError: odd")
    (satellite.data / "logs" / "background.log").write_text("Upgrade ended")
    await satellite.start()
    (crash,) = await peer.until(lambda: peer.of("critical"))
    assert crash["description"].startswith("Crash log was found on worker server: ")
    assert "ValueError: odd" in crash["details"]
    (upgrade,) = await peer.until(lambda: peer.of("notice"))
    assert upgrade["description"].startswith("Upgrade completed on worker server: ")
    assert not list((satellite.data / "logs").iterdir())


async def test_two_satellites_do_not_share_a_data_directory(peer: Peer, satellite: Satellite) -> None:
    satellite.configure(peer.port)
    await satellite.start()
    await peer.joined()
    second = Satellite(satellite.data)
    await second.start()
    assert await second.ended() == 1
    assert "another satellite is running" in (satellite.data / "satellite.log").read_text()
