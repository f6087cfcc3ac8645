"""What may be uploaded, and the record of what was. Pure.

Contract structures/file.yaml, platform.md §1.4. Sizes are bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol

from conductor.errors import Refusal
from conductor.filing.names import display_name
from shared import ids

Json = dict[str, Any]


class Upload(Protocol):
    """A file on the local disk that came with a request; whoever stores it takes it away."""

    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class UploadRules:
    """Limits of one kind of place. `code` is the envelope's when they are broken."""

    code: str
    max_size: int
    max_count: int
    accepted: str = ""
    """Comma-separated endings and media types; empty: all."""

    def check(self, name: str, media_type: str = "") -> None:
        """Raise Refusal for a name whose type is not accepted."""
        accepted = [word.strip().lower() for word in self.accepted.split(",") if word.strip()]
        if not accepted:
            return
        lowered, media_type = name.lower(), media_type.partition(";")[0].strip().lower()
        for word in accepted:
            if "/" in word:
                if fnmatch(media_type, word):
                    return
            elif lowered.endswith(f".{word.removeprefix('.')}"):
                return
        raise Refusal(self.code, f"Files of this type are not accepted here: {name} (only {self.accepted})")

    def check_size(self, name: str, size: int) -> None:
        if size > self.max_size:
            raise Refusal(self.code, f"File is too large: {name} (at most {self.max_size} bytes)")

    def check_count(self, count: int) -> None:
        if count > self.max_count:
            raise Refusal(self.code, f"Too many files (at most {self.max_count})")


def file_object(upload: Upload, path: str, now: float, **more: Any) -> Json:
    """A File: `more` are its owners (username, job, server…), the empty ones are left out."""
    made: Json = {
        "id": ids.short_id("f"),
        "date": int(now),
        "filename": display_name(upload.name),
        "path": path,
        "size": upload.size,
    }
    if upload.sha256:
        made["sha256"] = upload.sha256
    made.update({key: value for key, value in more.items() if value})
    return made


def is_file(value: object) -> bool:
    """Whether a value can stand in a list of Files: an object with a path and a name that are texts."""
    return isinstance(value, Mapping) and isinstance(value.get("path"), str) and bool(value["path"])
