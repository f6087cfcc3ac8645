"""Which files a satellite may list as its job's output (contract jobs.md §11, structures/file.yaml). Pure.

A job's files are deleted with it and handed on to other jobs, so that a satellite must not list what is not
its job's. Agents of the original repeat, while a job runs, what its plugin asked to be uploaded: plain names
and globs, which are no files yet.
"""

from collections.abc import Mapping
from typing import Any

_TEXTS = ("id", "filename", "server", "username", "sha256")
_MOST = 1_000


def own_files(files: object, job_id: str) -> list[dict[str, Any]]:
    """The Files among `files` that are stored below the job's own folder, each once."""
    kept: dict[str, dict[str, Any]] = {}
    for file in files if isinstance(files, list) else ():
        path = file.get("path") if isinstance(file, Mapping) else None
        if not isinstance(path, str) or not _is_below(path, f"files/jobs/{job_id}/"):
            continue
        entry = {**file, **{key: str(file[key]) for key in _TEXTS if key in file}, "job": job_id}
        entry.setdefault("filename", path.rpartition("/")[2])
        kept.setdefault(path, entry)
    return list(kept.values())[:_MOST]


def with_own_files(details: dict[str, Any], job_id: str) -> dict[str, Any]:
    """Details of an update or a result, its `files` cut down to the job's own; absent when none is left."""
    if "files" not in details:
        return details
    files = own_files(details["files"], job_id)
    rest = {key: value for key, value in details.items() if key != "files"}
    return {**rest, "files": files} if files else rest


def _is_below(path: str, folder: str) -> bool:
    segments = path.split("/")
    return path.startswith(folder) and not any(segment in ("", ".", "..") for segment in segments)
