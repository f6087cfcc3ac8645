"""The secret key of a data directory, and how it changes without a moment at which it could be lost.

The next key is on disk before the first value is under it, and replaces the present one only after all are.
Whoever finds both asks the database which of them counts.
"""

import os
import secrets
from pathlib import Path
from typing import Protocol

import structlog

from shared import faults

log = structlog.get_logger(__name__)


class Rotating(Protocol):
    """The vault, as far as a change of the key needs it."""

    async def rotate(self, old_key: str, new_key: str) -> int: ...

    async def is_under(self, secret_key: str) -> bool | None: ...


def fresh_key() -> str:
    """43 random letters, as the original's keys."""
    return secrets.token_urlsafe(32)


class KeyFile:
    """The file `secret_key` of a data directory, and `secret_key.next` while it is being changed."""

    def __init__(self, data_dir: Path) -> None:
        self._file = data_dir / "secret_key"
        self._next = data_dir / "secret_key.next"

    def current(self) -> str:
        """Empty where there is none."""
        return self._file.read_text().strip() if self._file.exists() else ""

    def staged(self) -> str:
        """The key of a change that has not been finished; empty where there is none."""
        return self._next.read_text().strip() if self._next.exists() else ""

    def stage(self, key: str) -> None:
        """Keep the next key; it is on disk when this returns."""
        half = self._next.with_suffix(".half")
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        half.replace(self._next)
        _sync(self._file.parent)

    def promote(self) -> None:
        """The next key is the key from now on."""
        self._next.replace(self._file)
        _sync(self._file.parent)

    def discard(self) -> None:
        self._next.unlink(missing_ok=True)

    async def change(self, vault: Rotating, new_key: str = "") -> tuple[str, int]:
        """Put everything under a new key; returns it, and how many secrets there are.

        Whenever this ends, even by death, `settle` finds the key under which the values are. Raises what
        `Vault.rotate` raises; nothing has changed then.
        """
        new_key = new_key or fresh_key()
        self.stage(new_key)
        faults.reach("rotation.staged")
        count = await vault.rotate(self.current(), new_key)
        self.promote()
        faults.reach("rotation.promoted")
        return new_key, count

    async def settle(self, vault: Rotating) -> str:
        """End a change that was broken off; returns the key that counts. For the start, before any other use."""
        staged = self.staged()
        if staged:
            if await vault.is_under(staged):
                self.promote()
                log.warning("a change of the secret key was broken off after its commit: it is done now")
            else:
                self.discard()
                log.warning("a change of the secret key was broken off before its commit: it did not happen")
        return self.current()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
