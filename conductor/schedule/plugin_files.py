"""Files on the conductor that a scheduler plugin gives to a job (contract scheduler.md §11, key `files`)."""

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from conductor.errors import Refusal
from shared import clock

KEPT_SECONDS = 30 * 86_400
"""How long they are kept (contract platform.md, file retention)."""
_MOST = 100


class LocalFile(NamedTuple):
    """A copy of a plugin's file, as the room of files takes uploads."""

    path: Path
    name: str
    size: int
    sha256: str
    type: str = "application/octet-stream"


class InputFiles(Protocol):
    """Where input files of jobs are kept: conductor/filing."""

    async def add_inputs(
        self, uploads: Sequence[Any], username: str, expires: int, *, folder: str = "", **more: Any
    ) -> list[dict[str, Any]]: ...


class GivenFiles:
    """Fills `conductor.schedule.batches.PluginFiles`."""

    def __init__(self, files: InputFiles) -> None:
        self._files = files

    async def of_plugin(
        self, plugin_id: str, files: Sequence[Mapping[str, Any]], cwd: str
    ) -> list[dict[str, Any]]:
        """Store copies, answer their File records; sources are removed where the plugin says so.

        Raises Refusal (`file`), and nothing is removed then.
        """
        if len(files) > _MOST:
            raise Refusal("file", f"At most {_MOST} files may be given.")
        root = Path(cwd or tempfile.gettempdir())
        with tempfile.TemporaryDirectory(prefix="opsorbit-given-") as folder:
            copies = await asyncio.to_thread(_copied, files, root, Path(folder))
            stored = await self._files.add_inputs(
                copies,
                "",
                int(clock.now()) + KEPT_SECONDS,
                folder=f"plugins/{plugin_id}",
                plugin=plugin_id,
            )
        for file in files:
            if file.get("delete"):
                (root / str(file["path"])).unlink(missing_ok=True)
        return stored


def _copied(files: Sequence[Mapping[str, Any]], root: Path, folder: Path) -> list[LocalFile]:
    """Raises Refusal."""
    copies = []
    for number, file in enumerate(files):
        source = root / str(file.get("path") or "")
        name = (
            str(file.get("filename") or source.name).replace("\\", "/").rpartition("/")[2].replace("\0", "")
        )
        copy = folder / str(number)
        try:
            shutil.copyfile(source, copy)
            with copy.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Refusal("file", f"Cannot read {source}: {reason}") from None
        size = copy.stat().st_size
        if not name.strip(".") or not size:
            raise Refusal("file", f"File has no name or no content: {source}")
        copies.append(LocalFile(copy, name, size, digest))
    return copies
