"""Password hashes: argon2id, computed in worker threads. Nothing here logs or keeps a password."""

import asyncio
import hashlib
from typing import TYPE_CHECKING

from shared.protocol.tokens import matches

if TYPE_CHECKING:
    from argon2 import PasswordHasher

# OWASP's first argon2id profile for servers (Password Storage Cheat Sheet): KiB of memory, passes, lanes. Its
# 46 MiB go back to the system after each hash; a smaller block would stay with the process.
_MEMORY, _PASSES, _LANES = 47_104, 1, 1
_AT_ONCE = 2  # a hash takes tens of milliseconds: a burst of logins must not take the machine


class Passwords:
    """Hashes and verifies. A hash names its algorithm, so imported SHA-256 hashes verify too."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._hasher: PasswordHasher | None = None
        self._decoy = ""

    async def hash(self, password: str) -> str:
        async with self._slots:
            return await asyncio.to_thread(self._hash, password)

    async def verify(self, password: str, stored: str, salt: str = "") -> bool:
        """Whether `password` has the hash `stored`. An unreadable hash counts as a mismatch.

        An empty `stored` (an unknown user) costs as much time as a real one, so that answers do not tell
        whether an account exists.
        """
        async with self._slots:
            return await asyncio.to_thread(self._verify, password, stored, salt)

    def _argon2(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(_PASSES, _MEMORY, _LANES)
        return self._hasher

    def _hash(self, password: str) -> str:
        return self._argon2().hash(password.encode(errors="surrogatepass"))

    def _verify(self, password: str, stored: str, salt: str) -> bool:
        if len(stored) == 64 and not stored.startswith("$"):
            digest = hashlib.sha256((password + salt).encode(errors="surrogatepass")).hexdigest()
            return matches(digest, stored)
        known = stored.startswith("$argon2")
        if not known:
            self._decoy = self._decoy or self._hash("decoy")
            stored = self._decoy
        from argon2.exceptions import InvalidHashError, VerificationError

        try:
            self._argon2().verify(stored, password.encode(errors="surrogatepass"))
        except (VerificationError, InvalidHashError):
            return False
        return known
