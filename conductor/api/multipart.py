"""Multipart bodies: fields into parameters, file parts streamed to temporary files.

Contract api/README.md §2: of several files under one field name the first is kept. The caller removes the
files, also after a failure: they are appended to its list as soon as they exist.
"""

import asyncio
import hashlib
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import aiohttp
from aiohttp import web

from conductor.api import query
from conductor.api.body import BROKEN, Unreadable, abandon, parse_embedded
from conductor.api.call import UploadedFile
from conductor.api.client import readable
from conductor.errors import BadParameter, Refusal
from conductor.filing.uploads import UploadRules

_CHUNK = 256 * 1024
_MOST_PARTS = 1_000

Admit = Callable[[Mapping[str, Any]], Awaitable[None]]


class Unwanted(Unreadable):
    """A file that breaks the endpoint's limits, or one that its sender may not send: the rest is not read."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.description)
        self.code = refusal.code


async def receive(
    request: web.BaseRequest,
    files: list[UploadedFile],
    *,
    folder: Path | None,
    limit: int,
    field_limit: int,
    idle: float,
    rules: UploadRules | None = None,
    admit: Admit | None = None,
) -> dict[str, Any]:
    """The fields of the body; file parts are appended to `files`.

    `limit` bounds the whole body and `field_limit` its fields, in bytes; `rules` bound each file and their
    number; `admit` is asked before the first file, with the fields that came before it. A string field `json` is parsed
    and merged over the others.
    """
    if (request.content_length or 0) > limit:
        raise Unreadable(f"Request body is too large (at most {limit} bytes)")
    reception = _Reception(files, folder, limit, field_limit, idle, rules, admit)
    try:
        reader = aiohttp.MultipartReader(request.headers, request.content)
        await reception.run(reader)
    except TimeoutError:
        raise Unreadable("Request body did not arrive in time") from None
    except BROKEN:
        abandon(request)
        raise Unreadable("Malformed multipart body") from None
    fields = reception.fields
    if "json" in fields:
        fields |= parse_embedded(fields.pop("json"))
    return fields


class _Reception:
    """One body's way in: counts what has come so far."""

    def __init__(
        self,
        files: list[UploadedFile],
        folder: Path | None,
        limit: int,
        field_limit: int,
        idle: float,
        rules: UploadRules | None,
        admit: Admit | None,
    ) -> None:
        self.fields: dict[str, Any] = {}
        self._files = files
        self._folder = folder
        self._limit = limit
        self._field_limit = field_limit
        self._idle = idle
        self._rules = rules
        self._admit = admit
        self._size = 0
        self._field_size = 0

    async def run(self, reader: aiohttp.MultipartReader) -> None:
        parts = 0
        while True:
            async with asyncio.timeout(self._idle):
                part = await reader.next()
            if part is None:
                return
            parts += 1
            if parts > _MOST_PARTS:
                raise Unreadable(f"Too many parts (at most {_MOST_PARTS})")
            if not isinstance(part, aiohttp.BodyPartReader):
                raise BadParameter("Malformed multipart body: nested multipart")
            name = readable(part.name or "")
            if part.filename is None:
                await self._field(part, name)
            else:
                try:
                    await self._file(part, name, readable(part.filename))
                except Unreadable:
                    raise
                except Refusal as refusal:
                    raise Unwanted(refusal) from None

    async def _field(self, part: aiohttp.BodyPartReader, name: str) -> None:
        value = bytearray()
        while chunk := await self._chunk(part):
            self._field_size += len(chunk)
            if self._field_size > self._field_limit:
                raise Unreadable(f"Request fields are too large (at most {self._field_limit} bytes)")
            value += chunk
        query.add(self.fields, name, value.decode(errors="replace"))

    async def _file(self, part: aiohttp.BodyPartReader, name: str, filename: str) -> None:
        if any(file.field == name for file in self._files):
            while await self._chunk(part):
                pass
            return
        if self._admit is not None and not self._files:
            await self._admit(self.fields)
        if self._rules is not None:
            self._rules.check_count(len(self._files) + 1)
            if filename.strip("."):  # without a name it is refused for that
                self._rules.check(filename, part.headers.get("Content-Type", ""))
        handle, temporary = tempfile.mkstemp(prefix="upload-", dir=self._folder)
        file = UploadedFile(
            field=name,
            path=Path(temporary),
            type=readable(part.headers.get("Content-Type", "application/octet-stream")),
            name=filename.replace("\\", "/").rpartition("/")[2].replace("\0", ""),
            size=0,
            mtime=time.time(),
        )
        position = len(self._files)
        self._files.append(file)
        with os.fdopen(handle, "wb") as stream:
            digest = hashlib.sha256()
            size = await self._copy(part, stream, digest.update, filename)
        self._files[position] = file._replace(size=size, sha256=digest.hexdigest())

    async def _copy(
        self, part: aiohttp.BodyPartReader, stream: BinaryIO, digest: Callable[[bytes], None], name: str
    ) -> int:
        size = 0
        while chunk := await self._chunk(part):
            size += len(chunk)
            if self._rules is not None:
                self._rules.check_size(name, size)
            digest(chunk)
            if len(chunk) < _CHUNK // 4:
                stream.write(chunk)  # into the stream's buffer or the page cache: a thread would cost more
            else:
                await asyncio.to_thread(stream.write, chunk)
        return size

    async def _chunk(self, part: aiohttp.BodyPartReader) -> bytes:
        async with asyncio.timeout(self._idle):
            chunk = await part.read_chunk(_CHUNK)
        self._size += len(chunk)
        if self._size > self._limit:
            raise Unreadable(f"Request body is too large (at most {self._limit} bytes)")
        return chunk


def remove(files: list[UploadedFile]) -> None:
    """Remove the temporary files that the handler has not moved away."""
    for file in files:
        file.path.unlink(missing_ok=True)
