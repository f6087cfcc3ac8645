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
        self._previous = data_dir / "secret_key.previous"

    def current(self) -> str:
        """Empty where there is none."""
        return self._file.read_text().strip() if self._file.exists() else ""

    def staged(self) -> str:
        """The key of a change that has not been finished; empty where there is none."""
        return self._next.read_text().strip() if self._next.exists() else ""

    def stage(self, key: str) -> None:
        """Keep the next key; it is on disk when this returns."""
        _put(self._next, key)

    def promote(self) -> None:
        """The next key is the key from now on."""
        self._next.replace(self._file)
        _sync(self._file.parent)

    def discard(self) -> None:
        self._next.unlink(missing_ok=True)

    def previous(self, moment: float) -> list[str]:
        """Keys that were replaced and whose tokens are good still at that Unix time, the newest first."""
        return [key for key, until in self._kept() if moment < until]

    def keep_previous(self, moment: float, *more: tuple[str, float]) -> list[str]:
        """Forget those whose time is over, and keep `more` (key, until); returns those that are good."""
        kept = [*more, *((key, until) for key, until in self._kept() if moment < until)]
        if kept:
            _put(self._previous, "".join(f"{until:.0f} {key}\n" for key, until in kept))
        else:
            self._previous.unlink(missing_ok=True)
        return [key for key, _ in kept]

    def _kept(self) -> list[tuple[str, float]]:
        lines = self._previous.read_text().splitlines() if self._previous.exists() else []
        parted = [line.partition(" ") for line in lines]
        return [(key, float(until)) for until, _, key in parted if until.isdigit() and key]

    async def change(
        self, vault: Rotating, new_key: str = "", *, moment: float = 0.0, grace: float = 0.0
    ) -> tuple[str, int]:
        """Put everything under a new key; returns it, and how many secrets there are.

        Tokens under the present one stay good for `grace` seconds from `moment`: who is away can come back.
        Whenever this ends, even by death, `settle` finds the key under which the values are. Raises what
        `Vault.rotate` raises; nothing has changed then.
        """
        new_key = new_key or fresh_key()
        self.stage(new_key)
        faults.reach("rotation.staged")
        old = self.current()
        if grace > 0:  # before anything is under the new one: it may die after that
            self.keep_previous(moment, (old, moment + grace))
        count = await vault.rotate(old, new_key)
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


def _put(file: Path, text: str) -> None:
    """Replace the file, for its owner's eyes alone; it is on disk when this returns."""
    half = file.with_suffix(".half")
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(file)
    _sync(file.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
