"""Files that a caller hands to a job as `input.files` (contract api/events.yaml, structures/file.yaml). Pure.

They are what `upload_job_input_files` or another job's record gave. Satellites fetch them by their path, so
that a path must be one of ours and a name must be a name.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from conductor.errors import BadParameter
from conductor.filing.names import base_name, display_name
from conductor.filing.places import ROOT, storage_key

_KEPT = (
    "id", "date", "size", "username", "job", "server", "ticket", "bucket", "plugin", "magic", "sha256", "workflow",
)  # fmt: skip


def checked_inputs(files: object) -> list[dict[str, Any]]:
    """The files with clean names and nothing but the properties of a File. Raises BadParameter."""
    if not isinstance(files, list):
        raise BadParameter("Parameter is not an array: input.files")
    return [_checked(number, file) for number, file in enumerate(files, 1)]


def _checked(number: int, file: object) -> dict[str, Any]:
    if not isinstance(file, Mapping):
        raise BadParameter(f"Malformed parameter: input.files (entry #{number} is not an object)")
    path = file.get("path")
    key = storage_key(path) if isinstance(path, str) else None
    if key is None or not key.startswith(ROOT):
        raise BadParameter(f"Malformed parameter: input.files (entry #{number} has no valid path)")
    name = file.get("filename")
    filename = display_name(name if isinstance(name, str) and name else base_name(key))
    kept = {name: file[name] for name in _KEPT if isinstance(file.get(name), str | int | float)}
    return {**kept, "filename": filename, "path": key}


def owned_inputs(job: Mapping[str, Any]) -> list[str]:
    """Paths of the input files that go with a job: not those of a bucket, a ticket or another job."""
    given = job.get("input")
    files = given.get("files") if isinstance(given, Mapping) else None
    return [
        str(file["path"])
        for file in (files if isinstance(files, Sequence) and not isinstance(files, str) else ())
        if isinstance(file, Mapping)
        and isinstance(file.get("path"), str)
        and storage_key(file["path"]) == file["path"]
        and file["path"].startswith(ROOT)
        and not file.get("bucket")
        and not file.get("ticket")
        and file.get("job") in (None, "", job.get("id"))
        and not file["path"].startswith(("files/bucket/", "files/jobs/"))
    ]
