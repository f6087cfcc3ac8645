"""Files: an object store by key, in a local folder or in a bucket of a cloud.

Keys are opaque paths of safe segments (contract api/files.yaml, path_rules); `safe_key` makes one out of
what a client sent. A key never leads out of the store's root.
"""

import asyncio
import os
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote, urlsplit

from conductor.errors import BadParameter, NotFound, Unavailable

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_LONGEST_KEY = 1024
_LONGEST_SEGMENT = 240  # file systems end at 255 bytes, and a file being written has a suffix
_PART_BYTES = 5 * 1024**2
_PARTS_AT_ONCE = 2
"""Memory of one upload is bounded by parts times their size."""
_READ_BYTES = 256 * 1024
_TAKE_ATTEMPTS = 5
_DROPPED = re.compile(r"[^a-z0-9_\-./]+")
_SLASHES = re.compile(r"/{2,}")


def safe_key(path: str) -> str:
    """The storage key for a path: ASCII, lower case, only `a-z 0-9 _ - . /`.

    Raises BadParameter for a path with a `.` or `..` segment, for an empty one and for one too long.
    """
    text = unicodedata.normalize("NFKD", path).encode("ascii", "ignore").decode().lower()
    key = _SLASHES.sub("/", _DROPPED.sub("", text)).strip("/")
    _check(key, path)
    return key


class Stat(NamedTuple):
    """What a store knows of one file. `etag` is another one for other content, without quotes."""

    size: int
    modified: int
    """Unix seconds."""
    etag: str


class Files:
    """One object store. Writers replace a file whole or not at all; a reader never sees half of one.

    Every method raises Unavailable when the store fails, and BadParameter for a key that is none.
    """

    def __init__(self, store: "ObjectStore | None" = None, folder: Path | None = None) -> None:
        """A store, or the local folder in which one keeps its files."""
        self._given = store
        self._folder = folder

    @classmethod
    def open(cls, url: str) -> "Files":
        """`file:///folder` (made if missing), `s3://bucket/prefix`, `gs://…` or `az://…`.

        Credentials of a cloud come from its usual environment variables. Raises Unavailable.
        """
        try:
            parts = urlsplit(url)
            if parts.scheme == "file":
                folder = Path(unquote(parts.path))
                folder.mkdir(parents=True, exist_ok=True)
                return cls(folder=folder)
            from obstore.store import from_url

            return cls(from_url(url))
        except (_failure(), ValueError, OSError) as error:
            raise Unavailable(f"Cannot open the file store {url}: {_first_line(error)}") from error

    # The library is loaded with the first file that is read or written: a conductor that waits for its first
    # job keeps 5 MB less in memory, and answers sooner.

    @cached_property
    def _api(self) -> Any:
        import obstore

        return obstore

    @cached_property
    def _store(self) -> "ObjectStore":
        if self._given is not None:
            return self._given
        from obstore.store import LocalStore

        return LocalStore(self._folder, mkdir=True, automatic_cleanup=True)

    async def put(self, key: str, data: bytes | AsyncIterator[bytes] | Path) -> int:
        """Store, replacing what was there; return the number of bytes.

        A local file's space is its own: if `data` ends with an exception, nothing has changed.
        """
        _check(key, key)
        with self._refusals(key):
            counted = _Counted(data)
            if isinstance(data, bytes):
                await self._api.put_async(self._store, key, data)
            else:
                await self._api.put_async(
                    self._store,
                    key,
                    data if isinstance(data, Path) else counted,
                    chunk_size=_PART_BYTES,
                    max_concurrency=_PARTS_AT_ONCE,
                )
        return counted.size

    async def take(self, key: str, path: Path) -> None:
        """Store a local file and remove it: a rename where that can be, else an upload in bounded memory."""
        _check(key, key)
        if self._folder is None or not await asyncio.to_thread(_renamed, path, self._folder / key):
            await self.put(key, path)
            await asyncio.to_thread(path.unlink, missing_ok=True)

    async def copy(self, source: str, target: str) -> None:
        """Store a second file with the same content, inside the store. Raises NotFound."""
        _check(source, source)
        _check(target, target)
        with self._refusals(source):
            await self._api.copy_async(self._store, source, target)

    async def move(self, source: str, target: str) -> None:
        """Give a file another key, replacing what was there. Raises NotFound."""
        _check(source, source)
        _check(target, target)
        with self._refusals(source):
            await self._api.rename_async(self._store, source, target)
        await self.delete(source)  # two names of one content: then the rename has left both

    async def stat(self, key: str) -> Stat | None:
        """None if there is no such file, or if no file can have this key."""
        try:
            _check(key, key)
            with self._refusals(key):
                meta = await self._api.head_async(self._store, key)
        except (NotFound, BadParameter):
            return None
        modified = int(meta["last_modified"].timestamp())
        return Stat(int(meta["size"]), modified, str(meta.get("e_tag") or "").strip('"'))

    async def get(self, key: str) -> bytes | None:
        """The whole file in memory, None if there is none."""
        _check(key, key)
        try:
            with self._refusals(key):
                answer = await self._api.get_async(self._store, key)
                return bytes(await answer.bytes_async())
        except NotFound:
            return None

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to, not including, `end`, in chunks. Raises NotFound at the first one."""
        _check(key, key)
        options: Any = None
        if start > 0 or end is not None:
            size = await self.size(key)
            if size is None:
                raise NotFound(f"File not found: {key}")
            end = size if end is None else min(end, size)
            if start >= end:
                return
            options = {"range": (start, end)}
        with self._refusals(key):
            answer = await self._api.get_async(self._store, key, options=options)
            chunks = answer.stream(min_chunk_size=_READ_BYTES)
        async for chunk in self._guarded(chunks, key):
            yield chunk

    async def size(self, key: str) -> int | None:
        """Bytes of a file, None if there is none."""
        _check(key, key)
        try:
            with self._refusals(key):
                return int((await self._api.head_async(self._store, key))["size"])
        except NotFound:
            return None

    async def delete(self, *keys: str) -> None:
        """Delete these files; missing ones are fine."""
        for key in keys:
            _check(key, key)
        await self._delete(keys)

    async def delete_under(self, prefix: str) -> None:
        """Delete every file in this folder and below it; none is fine."""
        _check(prefix, prefix)
        with self._refusals(prefix):
            async for found in self._api.list(self._store, prefix=prefix):
                await self._delete([entry["path"] for entry in found])

    async def _delete(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                with self._refusals(key):
                    await self._api.delete_async(self._store, key)
            except NotFound:
                continue

    async def _guarded(self, chunks: Any, key: str) -> AsyncIterator[bytes]:
        with self._refusals(key):
            async for chunk in chunks:
                yield bytes(chunk)

    @contextmanager
    def _refusals(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise NotFound(f"File not found: {key}") from error
        except (_failure(), OSError) as error:
            raise Unavailable(f"The file store failed at {key}: {_first_line(error)}") from error


class _Counted:
    """Passes chunks on and counts their bytes."""

    def __init__(self, data: bytes | AsyncIterator[bytes] | Path) -> None:
        self.size = 0
        self._chunks: AsyncIterator[bytes] | None = None
        if isinstance(data, bytes):
            self.size = len(data)
        elif isinstance(data, Path):
            self.size = data.stat().st_size
        else:
            self._chunks = data

    def __aiter__(self) -> "_Counted":
        return self

    async def __anext__(self) -> bytes:
        if self._chunks is None:
            raise StopAsyncIteration
        chunk = await anext(self._chunks)
        self.size += len(chunk)
        return chunk


def _check(key: str, shown: str) -> None:
    segments = key.split("/")
    if any(segment in ("", ".", "..") for segment in segments):
        raise BadParameter(f"Malformed path: {shown[:200]}")
    if len(key) > _LONGEST_KEY or max(map(len, segments)) > _LONGEST_SEGMENT:
        raise BadParameter(f"Path is too long: {shown[:200]}")


def _renamed(path: Path, target: Path) -> bool:
    """Whether the file could be moved there by a rename."""
    for _ in range(_TAKE_ATTEMPTS):
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
        except FileNotFoundError:
            if not path.exists():
                return False
            continue  # a deletion beside us has just removed the empty folder
        except OSError:
            return False  # another file system
        else:
            return True
    return False


def _failure() -> type[Exception]:
    from obstore.exceptions import BaseError

    return BaseError


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
