"""Files of tickets: where they are kept, and what is told of them (contract api/files.yaml, tickets.yaml)."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import structlog

from conductor.definitions.json_values import Json, is_number
from conductor.errors import BadParameter, Refusal, Unavailable
from conductor.records.files import Files, safe_key
from conductor.settings import Settings
from conductor.tickets.due import duration
from shared import ids
from shared.clock import now

FILE = "file"
"""The code of a file that could not be stored."""
_SHOWN = re.compile(r"[^\w\-+.,\s()\[\]{}'\"!&^%$#@*?~]+", re.ASCII)
_SAFE = re.compile(r"[^\w\-.]+", re.ASCII)
_EXTENSION = re.compile(r"\.\w+$", re.ASCII)
_LONGEST_NAME = 200
_MOST_FILES = 100
_LARGEST = 1024**3
_EXPIRATION = "5 years"

log = structlog.get_logger(__name__)


class Upload(Protocol):
    """A file part of a request."""

    @property
    def path(self) -> Path: ...

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...


Expire = Callable[[str, float], Awaitable[None]]
"""Have a stored file removed at a time, unless it is gone by then."""


async def _kept(path: str, expires: float) -> None:
    return None


class Attachments:
    def __init__(self, files: Files, settings: Settings, *, expire: Expire = _kept) -> None:
        self._files = files
        self._settings = settings
        self._expire = expire

    async def store(self, uploads: Sequence[Upload], ticket_id: str, username: str) -> list[Json]:
        """Keep every upload, or none; returns their File objects. Raises Refusal `file`."""
        most, largest = self._limits()
        if len(uploads) > most:
            raise Refusal(FILE, f"Too many files (at most {most} per ticket)")
        for upload in uploads:
            if upload.size > largest:
                raise Refusal(
                    FILE, f"File is too large: {display_name(upload.name)} (at most {largest} bytes)"
                )
        moment = int(now())
        expires = moment + (duration(str(getattr(self._settings, "file_expiration", _EXPIRATION))) or 0.0)
        stored: list[Json] = []
        try:
            for upload in uploads:
                path = storage_path(ticket_id, username, upload.name)
                await self._files.put(path, upload.path)
                stored.append(
                    {
                        "id": ids.short_id("f"),
                        "date": moment,
                        "filename": display_name(upload.name),
                        "path": path,
                        "size": upload.size,
                        "username": username,
                        "ticket": ticket_id,
                    }
                )
                await self._expire(path, expires)
        except BaseException as error:
            await self.discard(stored)
            if isinstance(error, BadParameter | Unavailable):
                raise Refusal(FILE, f"File could not be stored: {error.description}") from error
            raise
        return stored

    async def discard(self, files: Sequence[Mapping[str, Any]]) -> None:
        """Delete what nobody refers to any more; a failure leaves it to its expiry."""
        for file in files:
            try:
                await self.delete(str(file.get("path", "")))
            except Refusal as refusal:
                log.warning("a ticket's file was left behind", reason=refusal.description)

    async def delete(self, path: str) -> None:
        """Raises Unavailable, BadParameter."""
        await self._files.delete(path)

    def check_room(self, files: Sequence[Any], more: int) -> None:
        """Raise Refusal when a ticket would have too many files."""
        most, _ = self._limits()
        if len(files) + more > most:
            raise Refusal(FILE, f"Too many files (at most {most} per ticket)")

    def _limits(self) -> tuple[int, int]:
        given = self._settings.client.get("ticket_upload_settings")
        given = given if isinstance(given, Mapping) else {}
        most, largest = given.get("max_files_per_ticket"), given.get("max_file_size")
        return (
            int(most) if is_number(most) and most > 0 else _MOST_FILES,
            int(largest) if is_number(largest) and largest > 0 else _LARGEST,
        )


def storage_path(ticket_id: str, username: str, name: str) -> str:
    """`files/TICKET/USER/RANDOM/name`: the random part is all that keeps it from strangers."""
    safe = _SAFE.sub("_", _base(name)).lower()[-_LONGEST_NAME:].lstrip(".") or "file"
    if not _EXTENSION.search(safe):
        safe += ".bin"
    owner = _SAFE.sub("_", username).lower().strip(".") or "user"
    # In lower case, as paths are asked for (contract api/files.yaml, path_rules).
    return safe_key(f"files/{ticket_id}/{owner}/{ids.url_token()}/{safe}")


def display_name(name: str) -> str:
    return _SHOWN.sub("_", _base(name))[-_LONGEST_NAME:]


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
