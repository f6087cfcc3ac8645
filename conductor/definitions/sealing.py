"""Encryption of secret values: AES-256-GCM under a key of the record's own (contract platform.md §14).

Two envelopes are read. Ours (`v` 2): one scrypt of the secret key makes a master key, once; HKDF makes each
record's key from it, so that opening a record costs microseconds. `kid` tells which secret key a record is
under. The interchange form (`v` 1) runs scrypt for each record and is written for exports only.

All of it is CPU work of up to 100 ms: call it in a thread. Nothing here logs or keeps a value.
"""

import base64
import binascii
import hashlib
import hmac
import os
from typing import Any, Final

import msgspec

Json = dict[str, Any]
Fields = list[Json]
"""`{name, value}` each."""

ALGORITHM: Final = "aes-256-gcm"

_SCRYPT: Final = {"n": 16384, "r": 8, "p": 1, "maxmem": 64 * 1024**2, "dklen": 32}
_MASTER_SALT: Final = b"opsorbit secrets master key"
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_KID_LETTERS: Final = 16


class CannotOpenError(Exception):
    """The envelope is damaged, or under another secret key."""


class Seal:
    """One secret key. Making one costs a scrypt run; `seal` and `open` are cheap for our own envelope."""

    def __init__(self, secret_key: str) -> None:
        self._secret_key = secret_key.encode(errors="surrogatepass")
        self._master = hashlib.scrypt(self._secret_key, salt=_MASTER_SALT, **_SCRYPT)
        self.kid = hmac.new(self._master, b"key id", hashlib.sha256).hexdigest()[:_KID_LETTERS]
        """Names the secret key without telling it."""

    def seal(self, id: str, fields: Fields) -> Json:
        """Our envelope of the fields of the secret `id`, fresh each time."""
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        text = _encrypt(self._record_key(salt, id), nonce, fields, id)
        return {"v": 2, "alg": ALGORITHM, "kid": self.kid, **_encoded(salt, nonce, text)}

    def seal_for_interchange(self, id: str, fields: Fields) -> Json:
        """The envelope of the original (contract structures/secret_record.yaml)."""
        salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
        text = _encrypt(self._old_key(salt), nonce, fields, id)
        return {"v": 1, "alg": ALGORITHM, **_encoded(salt, nonce, text)}

    def open(self, id: str, envelope: Json) -> Fields:
        """The fields in an envelope of either form. Raises CannotOpenError."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        try:
            if envelope.get("alg") != ALGORITHM or envelope.get("v") not in (1, 2):
                raise CannotOpenError("unknown envelope")
            salt, nonce, tag, text = (_bytes(envelope[key]) for key in ("salt", "iv", "tag", "ct"))
            key = self._record_key(salt, id) if envelope["v"] == 2 else self._old_key(salt)
            plain = AESGCM(key).decrypt(nonce, text + tag, id.encode())
            return msgspec.json.decode(plain, type=Fields)
        except InvalidTag:
            raise CannotOpenError("it is damaged or under another secret_key") from None
        except (KeyError, TypeError, ValueError, msgspec.DecodeError) as error:
            raise CannotOpenError(f"malformed envelope ({type(error).__name__})") from None

    def _record_key(self, salt: bytes, id: str) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), length=32, salt=salt, info=b"secret " + id.encode()).derive(self._master)

    def _old_key(self, salt: bytes) -> bytes:
        return hashlib.scrypt(self._secret_key, salt=salt, **_SCRYPT)


def _encrypt(key: bytes, nonce: bytes, fields: Fields, id: str) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key).encrypt(nonce, msgspec.json.encode(fields), id.encode())


def _encoded(salt: bytes, nonce: bytes, sealed: bytes) -> Json:
    parts = {"salt": salt, "iv": nonce, "tag": sealed[-_TAG_BYTES:], "ct": sealed[:-_TAG_BYTES]}
    return {key: base64.b64encode(part).decode() for key, part in parts.items()}


def _bytes(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError from None
