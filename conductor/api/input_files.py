"""Files that callers give to a job: uploads of this call, and files that were stored before."""

from collections.abc import Sequence
from typing import Any, Protocol

from conductor.api.call import UploadedFile
from conductor.errors import Refusal
from shared import clock

KEPT_SECONDS = 30 * 86_400
"""How long input files are kept (contract platform.md, file retention)."""


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
