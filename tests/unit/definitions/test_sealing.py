"""Envelopes of secret values: what opens them, and what does not."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor.definitions.sealing import CannotOpenError, Seal

SEAL = Seal("the secret key")
OTHER = Seal("another one")
FIELDS = [{"name": "TOKEN", "value": "s3cr3t"}, {"name": "EMPTY", "value": ""}]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.fixed_dictionaries({"name": st.text(max_size=5), "value": st.text(max_size=50)}), max_size=3)
)
def test_what_was_sealed_is_opened(fields: list[dict[str, Any]]) -> None:
    envelope = SEAL.seal("z1", fields)
    assert SEAL.open("z1", envelope) == fields
    assert SEAL.seal("z1", fields)["ct"] != envelope["ct"] or not fields


def test_an_envelope_tells_its_key_but_not_its_content() -> None:
    """Better: a key id in the envelope, so that mixed keys are noticed."""
    envelope = SEAL.seal("z1", FIELDS)
    assert envelope.keys() == {"v", "alg", "kid", "salt", "iv", "tag", "ct"}
    assert (envelope["v"], envelope["alg"]) == (2, "aes-256-gcm")
    assert envelope["kid"] == Seal("the secret key").kid != OTHER.kid
    assert "s3cr3t" not in str(envelope)
    assert "TOKEN" not in str(envelope)


def test_the_interchange_envelope_is_the_originals() -> None:
    """Opened by the recipe of the contract, step by step."""
    envelope = SEAL.seal_for_interchange("z1", FIELDS)
    assert envelope.keys() == {"v", "alg", "salt", "iv", "tag", "ct"}
    salt, iv, tag, ct = (base64.b64decode(envelope[key]) for key in ("salt", "iv", "tag", "ct"))
    assert (len(salt), len(iv), len(tag)) == (16, 12, 16)
    key = Scrypt(salt, 32, 16384, 8, 1).derive(b"the secret key")
    assert AESGCM(key).decrypt(iv, ct + tag, b"z1") == (
        b'[{"name":"TOKEN","value":"s3cr3t"},{"name":"EMPTY","value":""}]'
    )
    assert SEAL.open("z1", envelope) == FIELDS


@pytest.mark.parametrize("form", ["seal", "seal_for_interchange"])
@pytest.mark.parametrize(
    "damage",
    [
        {"ct": "AAAA"},
        {"tag": base64.b64encode(bytes(16)).decode()},
        {"iv": ""},
        {"salt": 5},
        {"ct": "not base64!"},
        {"alg": "rot13"},
        {"v": 3},
        {"v": None},
    ],
    ids=str,
)
def test_damage_is_noticed(form: str, damage: dict[str, Any]) -> None:
    envelope = getattr(SEAL, form)("z1", FIELDS) | damage
    with pytest.raises(CannotOpenError):
        SEAL.open("z1", envelope)


@pytest.mark.parametrize("form", ["seal", "seal_for_interchange"])
def test_neither_another_key_nor_another_secret_opens_it(form: str) -> None:
    envelope = getattr(SEAL, form)("z1", FIELDS)
    with pytest.raises(CannotOpenError):
        OTHER.open("z1", envelope)
    with pytest.raises(CannotOpenError):
        SEAL.open("z2", envelope)
    with pytest.raises(CannotOpenError):
        SEAL.open("z1", {})
