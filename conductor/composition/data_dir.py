"""The data directory: held by one process, with what is made once for it."""

import fcntl
import secrets
import shutil
from pathlib import Path
from typing import TextIO


def locked(data_dir: Path) -> TextIO:
    """Hold the data directory for this process alone. Raises OSError when another one has it."""
    file = (data_dir / "lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OSError(f"another conductor is running on {data_dir}") from None
    return file


def emptied(folder: Path) -> Path:
    """A folder for uploads under way; what a conductor that died left in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def own_word(file: Path) -> str:
    """A random word made once for this data directory and kept in it: the secret key, the lease's owner."""
    if not file.exists():
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        fresh.replace(file)
    return file.read_text().strip()
