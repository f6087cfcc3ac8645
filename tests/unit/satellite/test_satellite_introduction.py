"""How a satellite introduces itself, and what it accepts of a conductor. Better 4: no replayable bearer token."""

import pytest

from satellite.handshake import Introduction, NoCredentialsError, RefusedError
from satellite.settings import Settings
from satellite.tls import TlsError, fingerprint_of_text
from shared.protocol import proofs, tokens

KEY = "k" * 64
OFFER = {"nonce": "n" * 64, "id": "s1", "proof": proofs.METHOD}


def settings(**changes: object) -> Settings:
    made = Settings(server_id="s1", auth_token=KEY)
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def test_it_shows_its_key_where_no_proof_is_taken() -> None:
    introduction = Introduction(settings(), {"nonce": "n", "id": "s1"})
    assert introduction.body == {"token": KEY}
    introduction.check({})
    assert not introduction.proven


def test_it_proves_its_key_and_never_sends_it() -> None:
    introduction = Introduction(settings(), OFFER)
    assert KEY not in str(introduction.body)
    challenge = introduction.body["challenge"]
    assert introduction.body["proof"] == proofs.of_satellite(KEY, "s1", OFFER["nonce"], challenge)
    introduction.check({"proof": proofs.of_conductor(KEY, "s1", OFFER["nonce"], challenge)})
    assert introduction.proven


def test_its_random_word_is_never_the_same() -> None:
    assert Introduction(settings(), OFFER).body != Introduction(settings(), OFFER).body


@pytest.mark.parametrize("wrong", [{}, {"proof": ""}, {"proof": "0" * 64}, {"proof": None}, {"proof": 7}])
def test_a_conductor_that_does_not_know_the_key_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        Introduction(settings(), OFFER).check(wrong)


def test_its_own_proof_sent_back_is_no_proof() -> None:
    introduction = Introduction(settings(), OFFER)
    with pytest.raises(RefusedError):
        introduction.check({"proof": introduction.body["proof"]})


@pytest.mark.parametrize("answer", [{"nonce": "n"}, {"nonce": "n", "proof": "none"}, {"proof": None}])
def test_once_proven_it_is_not_talked_out_of_it(answer: dict[str, object]) -> None:
    with pytest.raises(RefusedError, match="require_proof"):
        Introduction(settings(require_proof=True), answer)


def test_the_shared_secret_is_a_way_of_its_own() -> None:
    made = settings(auth_token="", secret_key="cluster")
    assert Introduction(made, OFFER).body == {"token": tokens.nonce_token(OFFER["nonce"], "cluster")}
    with pytest.raises(NoCredentialsError):
        Introduction(settings(auth_token=""), OFFER)


@pytest.mark.parametrize(
    "text", ["AB" * 32, ":".join(["ab"] * 32), "sha256:" + "ab" * 32, "SHA256:" + "AB" * 32]
)
def test_a_fingerprint_is_read_in_every_way_it_is_written(text: str) -> None:
    assert fingerprint_of_text(text) == "ab" * 32


@pytest.mark.parametrize("text", ["ab", "zz" * 32, "ab" * 33])
def test_no_fingerprint_is_taken_for_one(text: str) -> None:
    with pytest.raises(TlsError):
        fingerprint_of_text(text)
