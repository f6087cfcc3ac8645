"""`opsorbit rotate-secret-key`: a new secret key for a data directory whose conductor is stopped."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conductor.definitions.key_file import KeyFile
from conductor.definitions.vault import Vault
from conductor.errors import Refusal
from conductor.records.store import Records, SchemaError
from conductor.settings import Settings, SettingsError
from conductor.settings_reading import load


class RotationError(Exception):
    """The key was not changed; the text says why and what to do."""


async def rotate(data_dir: Path, config: Path | None, new_key: str) -> str:
    """Put every secret under a new key; returns what to tell the operator. Raises RotationError.

    Whenever it is broken off, even by a kill, every secret can still be read: run it again, or start the
    conductor. A key that comes from the settings is theirs to change: then `new_key` is required, and is to
    be set as `secret_key` afterwards.
    """
    try:
        settings = load(config)
        with _held(data_dir):
            records = await Records.open(settings.database_url or f"sqlite:///{data_dir / 'opsorbit.db'}")
            try:
                return await _rotate(records, KeyFile(data_dir), settings, new_key)
            finally:
                await records.close()
    except (SettingsError, SchemaError, Refusal, OSError) as error:
        raise RotationError(str(error)) from error


async def _rotate(records: Records, key_file: KeyFile, settings: Settings, new_key: str) -> str:
    # Whoever was primary on this database writes nothing more under the key that it has in memory.
    await records.begin_term(await records.epoch() + 1)
    if not settings.secret_key:
        current = await key_file.settle(Vault(records, key_file.current()))
        if not current:
            raise RotationError("There is no secret key yet: start the conductor once.")
        _, count = await key_file.change(Vault(records, current), new_key)
        return f"{count} secrets are under a new key."
    if not new_key:
        raise RotationError("secret_key comes from the settings: pass the next one with --new-key-file.")
    vault = Vault(records, settings.secret_key)
    if await vault.is_under(new_key):
        return "The secrets are under this key already. Set it as secret_key before you start a conductor."
    count = await vault.rotate(settings.secret_key, new_key)
    return f"{count} secrets are under the new key. Set it as secret_key before you start a conductor."


@contextmanager
def _held(data_dir: Path) -> Iterator[None]:
    """Hold the data directory as a conductor does."""
    if not data_dir.is_dir():
        raise RotationError(f"There is no data directory {data_dir}")
    with (data_dir / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RotationError(f"A conductor is running on {data_dir}: stop it first.") from None
        yield
