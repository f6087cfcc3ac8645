"""Output files of a job: what its plugin asked for, and which files on the host that is.

Contract satellite_agent.md §5.10. An entry is a glob in the working directory, unless it gives the file
another name: then it is one path. Entries that are none are told to the job's owner and left out.
"""

import glob
import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from satellite.jobs.inputs import safe_name

_MOST = 1_000


class Wanted(NamedTuple):
    """One entry. Without `name`, `path` is a glob."""

    path: str
    name: str = ""
    delete: bool = False
    id: str = ""


class OutputFile(NamedTuple):
    """One file to upload under `name`; `delete` removes it afterwards."""

    path: str
    name: str
    delete: bool
    id: str


def parsed(entries: Sequence[Any]) -> tuple[list[Wanted], list[str]]:
    """The entries, and a warning for each that is none. Pure."""
    found: list[Wanted] = []
    warnings: list[str] = []
    for entry in entries:
        one = _entry(entry)
        if one is None:
            warnings.append(f"WARNING: Invalid output file: {str(entry)[:200]}")
        else:
            found.append(one)
    return found, warnings


def located(entries: Sequence[Wanted], work: str) -> tuple[list[OutputFile], list[str]]:
    """The files that exist now, each once, and a warning for each named one that does not.

    A glob without a match is no mistake. Touches the disk: call it in a thread.
    """
    files: dict[str, OutputFile] = {}
    warnings: list[str] = []
    for entry in entries:
        if entry.name:
            path = os.path.join(work, entry.path)
            if not os.path.isfile(path):
                warnings.append(f"WARNING: Output file does not exist: {entry.path}")
                continue
            paths = [path]
        else:
            matches = glob.iglob(entry.path, root_dir=work, recursive=True)
            paths = sorted(path for match in matches if os.path.isfile(path := os.path.join(work, match)))
        for path in paths:
            name = safe_name(entry.name or path)
            files.setdefault(path, OutputFile(path, name, entry.delete, entry.id))
    if len(files) > _MOST:
        warnings.append(f"WARNING: Only {_MOST} of {len(files)} output files are uploaded")
    return list(files.values())[:_MOST], warnings


def _entry(entry: Any) -> Wanted | None:
    if isinstance(entry, str):
        entry = [entry]
    if isinstance(entry, dict):
        identifier = entry.get("id")
        fields = [entry.get("path"), entry.get("filename"), entry.get("delete")]
    elif isinstance(entry, list) and entry:
        identifier = None
        fields = [*entry[:3], None, None][:3]
    else:
        return None
    path, name, delete = fields
    if not isinstance(path, str) or not path or "\0" in path or not isinstance(name, str | None):
        return None
    return Wanted(path, name or "", bool(delete), identifier if isinstance(identifier, str) else "")
