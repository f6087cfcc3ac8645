"""Input files of a job: what the launch lists, and where each of them goes. Pure.

Contract satellite_agent.md §5.1, satellite_protocol.md §4.2.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

Json = dict[str, Any]

_UNWANTED = re.compile(r"[^A-Za-z0-9_\-+., ()\[\]{}'\"!&^%$#@*?~]+")
_LONGEST = 240
_KILO = 1024


class InputFile(NamedTuple):
    """`path` follows the conductor's base URL; `name` is a name in the working directory and nothing else."""

    name: str
    path: str
    size: int
    """Bytes, -1 if unknown."""
    sha256: str
    """Empty if unknown."""


def wanted(job: Mapping[str, Any], details: Mapping[str, Any]) -> list[InputFile]:
    """The files to fetch, in order. A remote runner fetches its own."""
    return [] if job.get("runner") else [_input(file) for file in _listed(details) if file.get("path")]


def for_plugin(job: Mapping[str, Any], details: Json) -> Json:
    """The details as the plugin reads them: files that are there have no path any more."""
    given = details.get("input")
    if job.get("runner") or not isinstance(given, Mapping) or not given.get("files"):
        return details
    files = [
        {**{key: value for key, value in file.items() if key != "path"}, "filename": _input(file).name}
        for file in _listed(details)
    ]
    return {**details, "input": {**given, "files": files}}


def safe_name(name: str) -> str:
    """A file name without folders, and never one that leads out of the directory."""
    text = _UNWANTED.sub("_", name.replace("\\", "/").rpartition("/")[2])[:_LONGEST]
    return text if text.strip(". ") else "file"


def shown_size(size: int) -> str:
    amount = float(max(size, 0))
    for unit in ("bytes", "KB", "MB", "GB"):
        if amount < _KILO or unit == "GB":
            break
        amount /= _KILO
    return f"{amount:.1f} {unit}" if unit != "bytes" else f"{int(amount)} bytes"


def _listed(details: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    given = details.get("input")
    files = given.get("files") if isinstance(given, Mapping) else None
    return [file for file in files if isinstance(file, Mapping)] if isinstance(files, list) else []


def _input(file: Mapping[str, Any]) -> InputFile:
    path = str(file.get("path") or "").lstrip("/")
    size = file.get("size")
    return InputFile(
        safe_name(str(file.get("filename") or path.partition("?")[0])),
        path,
        size if isinstance(size, int) and not isinstance(size, bool) else -1,
        str(file.get("sha256") or ""),
    )
