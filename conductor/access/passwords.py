"""Password hashes: argon2id, computed in worker threads. Nothing here logs or keeps a password.

Imported hashes of the original verify too: bcrypt of password + salt (of which bcrypt knows 72 bytes), or
SHA-256 of the same (contract structures/user.yaml). They are replaced at the next login (`outdated`).
"""

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
_BCRYPT = ("$2a$", "$2b$", "$2y$")
_BCRYPT_BYTES = 72
_LONGEST = 1_024  # characters: a longer one is no password, and hashing it is work for nothing


class Passwords:
    """Hashes and verifies. A hash names its algorithm."""

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
            return await asyncio.to_thread(self._verify, password[: _LONGEST + 1], stored, salt)

    def outdated(self, stored: str) -> bool:
        """Whether a hash should be made anew while its password is at hand."""
        if not stored.startswith("$argon2id$"):
            return True
        from argon2.exceptions import InvalidHashError

        try:
            return self._argon2().check_needs_rehash(stored)
        except InvalidHashError:
            return True

    def _argon2(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher(_PASSES, _MEMORY, _LANES)
        return self._hasher

    def _hash(self, password: str) -> str:
        return self._argon2().hash(password.encode(errors="surrogatepass"))

    def _verify(self, password: str, stored: str, salt: str) -> bool:
        salted = (password + salt).encode(errors="surrogatepass")
        if len(stored) == 64 and not stored.startswith("$"):
            return matches(hashlib.sha256(salted).hexdigest(), stored)
        if stored.startswith(_BCRYPT):
            return _verify_bcrypt(salted, stored)
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


def check_length(password: str, shortest: int) -> str | None:
    """Why this cannot become a password, in words; None when it can."""
    if len(password) < shortest:
        return f"Password is too short: it needs at least {shortest} characters."
    if len(password) > _LONGEST:
        return f"Password is too long: it may have at most {_LONGEST} characters."
    return None


def _verify_bcrypt(salted: bytes, stored: str) -> bool:
    import bcrypt

    try:
        return bcrypt.checkpw(salted[:_BCRYPT_BYTES], stored.encode())
    except ValueError:  # no bcrypt hash after all, or a NUL in the password
        return False
