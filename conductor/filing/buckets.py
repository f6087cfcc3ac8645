"""What is in buckets: one JSON object and a set of files each (contract api/buckets.yaml, platform.md §15).

A file that enters is first copied into the store under a name of its own, which may take long and locks
nobody out; then, under the bucket's lock, it is moved into place and listed, which takes no time.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from weakref import WeakValueDictionary

import structlog

from conductor.errors import NotFound, Refusal
from conductor.filing.bucket_contents import BucketContents, Filed, size_of
from conductor.filing.bucket_plan import Entering, Step, plan
from conductor.filing.expiry import FileExpiry
from conductor.filing.names import random_part
from conductor.filing.places import storage_key
from conductor.filing.section import listed
from conductor.filing.uploads import Upload, UploadRules, file_object, is_file
from conductor.records.files import Files
from conductor.records.store import Write
from conductor.signals import DefinitionChanged, EventRow, Signal
from shared import clock, ids

Json = dict[str, Any]

STAGED_SECONDS = 86_400
"""After a death in the middle, how long what had been copied stays."""

_LOCK_SECONDS = 30.0
_LONGEST_KEY = 512

log = structlog.get_logger(__name__)


class Buckets:
    """`known` tells whether a bucket of an ID is defined; all but `drop` refuse the others, code `bucket`."""

    def __init__(
        self,
        contents: BucketContents,
        files: Files,
        expiry: FileExpiry,
        rules: UploadRules,
        known: Callable[[str], bool],
        *,
        max_data_size: int,
    ) -> None:
        self.rules = rules
        self._contents = contents
        self._files = files
        self._expiry = expiry
        self._known = known
        self._max_data_size = max_data_size
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._sizes: dict[str, int] = {}
        """At least the bytes of each bucket's data, so that a write need not add up all of it."""

    # Data

    async def data(self, bucket_id: str) -> Json:
        self._require(bucket_id)
        return await self._contents.data(bucket_id)

    async def revision(self, bucket_id: str) -> str:
        """Another one after each change of the data; for `expected`."""
        self._require(bucket_id)
        return await self._contents.revision(bucket_id)

    async def write_data(
        self,
        bucket_id: str,
        data: Mapping[str, Any],
        *,
        replace: bool = False,
        remove: Sequence[str] = (),
        expected: str | None = None,
    ) -> Json:
        """Merge `data` into the bucket's, key by key, or put it in its place; returns the whole.

        `remove` names keys to drop. With `expected`, the data must still have that revision. Raises Refusal
        `bucket`: data too large, a key too long, changed meanwhile.
        """
        await self.merge_data(bucket_id, data, replace=replace, remove=remove, expected=expected)
        return await self._contents.data(bucket_id)

    async def merge_data(
        self,
        bucket_id: str,
        data: Mapping[str, Any],
        *,
        replace: bool = False,
        remove: Sequence[str] = (),
        expected: str | None = None,
        events: Sequence[EventRow] = (),
    ) -> str:
        """`write_data` without reading the whole back, `events` with the change; returns the new revision."""
        self._require(bucket_id)
        for name in data:
            if not 0 < len(name.encode(errors="replace")) <= _LONGEST_KEY or "\0" in name:
                raise Refusal("bucket", f"Malformed key of bucket data: {name[:64]!r}")
        size = await self._checked_size(bucket_id, data, replace=replace)
        revision = await self._contents.write(
            bucket_id, data, replace=replace, remove=remove, expected=expected, events=events
        )
        if revision is None:
            raise Refusal("bucket", f"The data of bucket {bucket_id} has changed meanwhile")
        self._sizes[bucket_id] = size
        return revision

    async def _checked_size(self, bucket_id: str, data: Mapping[str, Any], *, replace: bool) -> int:
        """What the data takes at most afterwards. It is added up anew only where that might be too much."""
        added = size_of(data)
        if replace:
            size = added
        else:
            size = self._sizes.get(bucket_id, self._max_data_size) + added
            if size > self._max_data_size:
                size = await self._contents.size_beside(bucket_id, data.keys()) + added
        if size > self._max_data_size:
            raise Refusal("bucket", f"The data of bucket {bucket_id} is full ({self._max_data_size} bytes)")
        return size

    # Files

    async def files(self, bucket_id: str) -> list[Json]:
        self._require(bucket_id)
        return [filed.file for filed in (await self._contents.files(bucket_id)).values()]

    async def upload(
        self,
        bucket_id: str,
        uploads: Sequence[Upload],
        *,
        username: str,
        events: Sequence[EventRow] = (),
    ) -> list[Json]:
        """Store files that came with a request, with `events`; returns the bucket's whole list. All or none.

        Raises Refusal `bucket` for a file that is too large or not accepted, and for a bucket that is full.
        """
        self._require(bucket_id)
        for one in uploads:
            self.rules.check_size(one.name, one.size)
            self.rules.check(one.name, getattr(one, "type", ""))
        now = clock.now()
        entering = [
            Entering(self._staging_key(), file_object(one, "", now, username=username)) for one in uploads
        ]
        async with _Staged(self._files, self._expiry, entering) as staged:
            for one, place in zip(uploads, entering, strict=True):
                await self._files.take(place.staged, one.path)
            return await self._enter(bucket_id, staged.entering, events)

    async def store(
        self, bucket_id: str, *, data: Mapping[str, Any] | None, files: Sequence[Mapping[str, Any]]
    ) -> list[str]:
        """A job's output into a bucket: `data` merged, Files copied inside the store.

        Returns what was done, a text each. Raises Refusal `bucket`; then no file has entered.
        """
        self._require(bucket_id)
        steps: list[str] = []
        now = clock.now()
        entering, sources = [], []
        for file in files:
            source = storage_key(str(file.get("path"))) if is_file(file) else None
            if source is None:
                raise Refusal("bucket", f"Not a file: {str(file)[:200]}")
            stat = await self._files.stat(source)
            name = str(file.get("filename") or source.rpartition("/")[2])
            if stat is None:
                raise Refusal("bucket", f"File does not exist any more: {name}")
            self.rules.check_size(name, stat.size)
            self.rules.check(name)
            made: Json = {"id": ids.short_id("f"), "date": int(now), "filename": name, "size": stat.size}
            made |= {key: file[key] for key in ("job", "server", "sha256") if file.get(key)}
            entering.append(Entering(self._staging_key(), made))
            sources.append(source)
        if data is not None:
            await self.merge_data(bucket_id, data)
            steps.append(f"Stored data under {len(data)} keys in bucket {bucket_id}.")
        if not entering:
            return steps
        async with _Staged(self._files, self._expiry, entering) as staged:
            for source, place in zip(sources, entering, strict=True):
                try:
                    await self._files.copy(source, place.staged)
                except NotFound:
                    text = f"File does not exist any more: {place.file['filename']}"
                    raise Refusal("bucket", text) from None
            await self._enter(bucket_id, staged.entering)
        return steps + [f"Stored file {one.file['filename']} in bucket {bucket_id}." for one in entering]

    async def replace_files(self, bucket_id: str, files: Sequence[Mapping[str, Any]]) -> None:
        """Another list in place of the bucket's (imports, update_bucket). Blobs stay as they are.

        Only Files below the bucket's own folder are taken: a list must not make others' files its own.
        """
        self._require(bucket_id)
        taken = listed(bucket_id, list(files))
        self.rules.check_count(len(taken))
        async with self._locked(bucket_id):
            await self._contents.replace_files(bucket_id, taken)

    async def delete_file(
        self,
        bucket_id: str,
        matches: Callable[[Json], bool],
        events: Callable[[Json], Sequence[EventRow]] = lambda _: (),
    ) -> Json | None:
        """Delete the first file that matches, with what `events` makes of it; returns its File, or None."""
        self._require(bucket_id)
        async with self._locked(bucket_id):
            present = await self._contents.files(bucket_id)
            for name, filed in present.items():
                if matches(filed.file):
                    await self._remove(bucket_id, {name: filed}, events=events(filed.file))
                    return filed.file
        return None

    async def empty(
        self, bucket_id: str, *, files: bool, data: bool, events: Sequence[EventRow] = ()
    ) -> None:
        """Delete all files, or all data, or both; `events` with it."""
        self._require(bucket_id)
        async with self._locked(bucket_id):
            present = await self._contents.files(bucket_id) if files else {}
            clearing = self._contents.clearing(bucket_id) if data else ()
            await self._remove(bucket_id, present, *clearing, events=events)
            if data:
                self._sizes[bucket_id] = 0

    async def drop(self, bucket_id: str) -> None:
        """Everything in it, with the bucket's own end. Blobs that have gone already are no failure."""
        async with self._locked(bucket_id):
            await self._remove(bucket_id, await self._contents.files(bucket_id))
            await self._contents.drop(bucket_id)
            await self._files.delete_under(f"files/bucket/{bucket_id}")
            self._sizes.pop(bucket_id, None)

    async def observe(self, signal: Signal) -> None:
        """A bucket's definition has gone: so does what entered it in its last moment."""
        if isinstance(signal, DefinitionChanged) and signal.kind == "buckets" and signal.verb == "delete":
            bucket_id = str(signal.item.get("id"))
            if not self._known(bucket_id):
                await self.drop(bucket_id)

    def forget(self) -> None:
        """Somebody else may have changed the stores: what is remembered of them counts no more."""
        self._sizes.clear()

    # Inside

    async def _enter(
        self, bucket_id: str, entering: Sequence[Entering], events: Sequence[EventRow] = ()
    ) -> list[Json]:
        """Move staged files into place and list them; returns the whole list."""
        async with self._locked(bucket_id):
            self._require(bucket_id)  # it may have been deleted while the files were copied
            present = await self._contents.files(bucket_id)
            steps = plan(bucket_id, present, entering, most=self.rules.max_count, now_ns=time.time_ns())
            fresh = [step.file["path"] for step in steps if step.fresh]
            await self._expiry.set(fresh, int(clock.now()) + STAGED_SECONDS)
            for step in steps:
                await self._files.move(step.staged, step.file["path"])
            forget = self._expiry.forget_write(fresh)
            await self._contents.set_files(bucket_id, _listed(steps), forget, events=events)
            return [filed.file for filed in {**present, **_listed(steps)}.values()]

    async def _remove(
        self, bucket_id: str, files: Mapping[str, Filed], *also: Write, events: Sequence[EventRow] = ()
    ) -> None:
        """Off the list first, so that nobody finds a file that has gone; a death in between is made good."""
        own = f"files/bucket/{bucket_id}/"
        paths = [path for filed in files.values() if (path := str(filed.file["path"])).startswith(own)]
        if files or also:
            due = self._expiry.set_write(paths, int(clock.now()))
            await self._contents.remove_files(bucket_id, files, due, *also, events=events)
        if files:
            await self._files.delete(*paths)
            await self._expiry.forget(paths)

    def _locked(self, bucket_id: str) -> "_Held":
        lock = self._locks.get(bucket_id)
        if lock is None:
            lock = self._locks[bucket_id] = asyncio.Lock()
        return _Held(lock, bucket_id)

    def _require(self, bucket_id: str) -> None:
        if not self._known(bucket_id):
            raise Refusal("bucket", f"Bucket not found: {bucket_id}")

    @staticmethod
    def _staging_key() -> str:
        return f"staging/{random_part()}"


class _Staged:
    """Files under way into a bucket: what has not been moved when the block ends is deleted."""

    def __init__(self, files: Files, expiry: FileExpiry, entering: Sequence[Entering]) -> None:
        self.entering = entering
        self._files = files
        self._expiry = expiry
        self._keys = [one.staged for one in entering]

    async def __aenter__(self) -> "_Staged":
        await self._expiry.set(self._keys, int(clock.now()) + STAGED_SECONDS)
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.shield(self._clear())

    async def _clear(self) -> None:
        try:
            await self._files.delete(*self._keys)
            await self._expiry.forget(self._keys)
        except Refusal as error:  # they have an expiry
            log.warning("staged files were not removed yet", files=len(self._keys), error=str(error))


class _Held:
    """A bucket's lock, waited for with a bound. Raises Refusal `bucket` when it is not to be had."""

    def __init__(self, lock: asyncio.Lock, bucket_id: str) -> None:
        self._lock = lock
        self._bucket_id = bucket_id

    async def __aenter__(self) -> None:
        try:
            async with asyncio.timeout(_LOCK_SECONDS):
                await self._lock.acquire()
        except TimeoutError:
            raise Refusal("bucket", f"Bucket is busy: {self._bucket_id}") from None

    async def __aexit__(self, *_: object) -> None:
        self._lock.release()


def _listed(steps: Sequence[Step]) -> dict[str, Filed]:
    return {step.name: Filed(step.position, step.file) for step in steps}
