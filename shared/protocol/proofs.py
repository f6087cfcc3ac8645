"""Proofs that two peers hold the same key, without showing it (docs/satellite-wire.md, "Joining by proof").

The key is a satellite's `auth_token`. Each side proves it over random words of both, so that neither a recorded
proof nor one of the other direction is good for anything. Compare proofs with `tokens.matches`.
"""

import hashlib
import hmac

METHOD = "hmac-sha256"
"""What a conductor's `hello` offers as `proof`, and a satellite's `join` then uses."""


def of_satellite(key: str, server_id: str, nonce: str, challenge: str) -> str:
    """What the satellite shows in `join`. `nonce` is the conductor's word, `challenge` the satellite's."""
    return _proof(key, "satellite", server_id, nonce, challenge)


def of_conductor(key: str, server_id: str, nonce: str, challenge: str) -> str:
    """What the conductor shows in `joined`."""
    return _proof(key, "conductor", server_id, nonce, challenge)


def _proof(key: str, *parts: str) -> str:
    # Parts are joined by what none of them contains, or two different lists could give one text.
    text = "\n".join(parts).encode(errors="surrogatepass")
    return hmac.new(key.encode(errors="surrogatepass"), text, hashlib.sha256).hexdigest()
