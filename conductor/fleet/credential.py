"""What one satellite's key is, and which of its keys are good at a moment. Pure.

A key is derived from the cluster's secret key, the server's ID and a generation, so that none is stored.
Generation 0 is the contract's formula (access.md §8): what an original conductor would have given out.
"""

import hashlib
import hmac
from collections.abc import Iterator, Sequence

import msgspec

from shared.protocol import tokens


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """Times are Unix seconds, 0 for never."""

    generation: int = 0
    previous_until: float = 0
    """The generation before this one is good until then, for a satellite that was away when it was replaced."""
    rotated: float = 0
    revoked: float = 0

    def rotate(self, now: float, grace: float) -> "Credential":
        """The next generation; the present one stays good for `grace` seconds."""
        return Credential(generation=self.generation + 1, previous_until=now + grace, rotated=now)

    def confirm(self) -> "Credential":
        """The satellite has shown its newest key: no older one is good any more."""
        return msgspec.structs.replace(self, previous_until=0)

    def revoke(self, now: float) -> "Credential":
        return msgspec.structs.replace(self, revoked=now, previous_until=0)

    def reissue(self, now: float) -> "Credential":
        """A key for somebody who was let in anew: nothing older is good, revoked or not."""
        return Credential(generation=self.generation + 1, rotated=now)

    def good(self, now: float) -> tuple[int, ...]:
        """The generations that open the door, newest first."""
        if self.revoked:
            return ()
        if self.generation and now < self.previous_until:
            return (self.generation, self.generation - 1)
        return (self.generation,)


def key_of(server_id: str, generation: int, secret: str) -> str:
    """64 hex characters: the satellite's `auth_token`."""
    if generation == 0:
        return tokens.server_token(server_id, secret)
    text = f"satellite\n{server_id}\n{generation}".encode()
    return hmac.new(secret.encode(errors="surrogatepass"), text, hashlib.sha256).hexdigest()


def keys_of(
    server_id: str, credential: Credential, now: float, secret: str, older_secrets: Sequence[str] = ()
) -> Iterator[str]:
    """Every good key, the one that should be used first."""
    generations = credential.good(now)
    for one in (secret, *older_secrets):
        for generation in generations:
            yield key_of(server_id, generation, one)
