"""Files that callers give to a job: uploads of this call, and files that were stored before."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from conductor.api.call import UploadedFile
from conductor.errors import BadParameter, Refusal
from shared import clock

KEPT_SECONDS = 30 * 86_400
"""How long input files are kept (contract platform.md, file retention)."""

_PATH = re.compile(r"files(/[\w\-.]+)+", re.ASCII)
_KEYS = frozenset(
    (
        "id",
        "date",
        "filename",
        "path",
        "size",
        "username",
        "job",
        "server",
        "ticket",
        "bucket",
        "plugin",
        "magic",
    )
)


class InputFiles(Protocol):
    """Where uploads of jobs are kept: conductor/filing."""

    async def add_inputs(
        self, uploads: Sequence[UploadedFile], username: str, expires: int, *, folder: str = "", **more: Any
    ) -> list[dict[str, Any]]: ...


async def stored_inputs(
    files: InputFiles | None,
    uploads: Sequence[UploadedFile],
    given: Any,
    username: str,
    *,
    folder: str = "",
    **more: Any,
) -> dict[str, Any]:
    """The job's `input` with the uploads behind the files it has. Raises Refusal (`file`)."""
    if files is None:
        raise Refusal("file", "Uploads could not be stored: there is no place for job files.")
    stored = await files.add_inputs(uploads, username, int(clock.now()) + KEPT_SECONDS, folder=folder, **more)
    given = given if isinstance(given, dict) else {}
    return {**given, "files": [*(given.get("files") or ()), *stored]}


def checked_files(files: Sequence[Any]) -> list[dict[str, Any]]:
    """Files stored before, as a caller names them: only below `files/`, with nothing but a File's properties.

    Raises BadParameter.
    """
    checked = []
    for one in files:
        if not isinstance(one, Mapping):
            raise BadParameter("Malformed parameter: input (each file must be an object)")
        path = str(one.get("path", "")).removeprefix("/")
        if not _PATH.fullmatch(path) or any(set(part) == {"."} for part in path.split("/")):
            raise BadParameter("Malformed parameter: input (a file's path must be that of a stored file)")
        name = one.get("filename", path.rpartition("/")[2])
        if not isinstance(name, str) or not name.strip(". ") or "/" in name or "\0" in name:
            raise BadParameter("Malformed parameter: input (a file's name is missing)")
        kept = {
            key: value for key, value in one.items() if key in _KEYS and isinstance(value, str | int | float)
        }
        checked.append({**kept, "path": path, "filename": name})
    return checked
