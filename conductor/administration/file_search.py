"""Full-text search in what jobs have left: their texts, logs and files (contract search.md §6, api/search.yaml).

Jobs are found by the query language within the caller's limits, then their contents are looked through one after the
other. Everything is bounded: bytes of a file, seconds of a pattern and of the whole search; where it stops it says
from which job to go on.
"""

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from conductor.access.account import Account
from conductor.errors import BadParameter, Refusal
from conductor.records.files import Files
from conductor.records.job_archive import JobArchive
from conductor.settings import Settings
from shared import clock
from shared.ids import short_id
from shared.protocol.tokens import log_token

Json = dict[str, Any]
Tell = Callable[[str, Any], None]

_PAGE = 50
_AROUND = 25
"""Characters before and after a match."""
_MOST_RESULTS = 1_000
_MOST_COUNTED = 10_000
_SECONDS = 120.0
_TEXT_SECONDS = 1.0
"""Of one pattern in one text."""
_MOST_BYTES = 16 * 1024**2
"""Of one file, unpacked; what comes behind is not looked at."""
_INLINE = (("description",), ("input", "data"), ("data",), ("html", "content"), ("table",), ("output",))


class Asked(msgspec.Struct, kw_only=True):
    """What a browser sends."""

    match: str
    query: str = "*"
    regex: bool | int | str = False
    case: bool | int | str = False
    offset: int = 0
    max: int = 100
    sort_by: str = "_id"
    sort_dir: int = -1


@dataclass(frozen=True, slots=True)
class Hit:
    before: str
    matched: str
    after: str
    count: int


Find = Callable[[str], Hit | None]
"""The first match in a text, and how many there are. Raises BadParameter for a pattern that takes too long."""


class FileSearch:
    """`run` is `Browsers.file_search`."""

    def __init__(self, archive: JobArchive, files: Files, settings: Settings) -> None:
        self._archive = archive
        self._files = files
        self._settings = settings

    async def run(self, account: Account, asked: Mapping[str, Any], tell: Tell) -> None:
        """Tell `search_started`, then each `search_result`, then `search_complete`, with `error` if it failed."""
        id, place, hits = short_id("fs"), 0, 0
        tell("search_started", {"id": id})
        try:
            wanted = _wanted(asked)
            find, place = finder(wanted), max(wanted.offset, 0)
            named = re.compile(self._settings.search_file_regex, re.IGNORECASE)
            most = min(max(wanted.max, 1), _MOST_RESULTS)
            deadline = clock.monotonic() + _SECONDS
            async for job in self._jobs(account, wanted, place):
                if clock.monotonic() > deadline:
                    tell("search_complete", {"id": id, "offset": place, "hit_max": True})
                    return
                async for file, name, hit in self._hits(job, find, named):
                    tell("search_result", self._result(id, job, file, name, hit))
                    hits += 1
                    if hits >= most:
                        tell("search_complete", {"id": id, "offset": place + 1, "hit_max": True})
                        return
                place += 1
        except (Refusal, re.error) as error:
            tell("search_complete", {"id": id, "offset": place, "hit_max": False, "error": str(error)})
            return
        tell("search_complete", {"id": id, "offset": place, "hit_max": False})

    async def _jobs(self, account: Account, wanted: Asked, offset: int) -> AsyncIterator[Json]:
        while True:
            page = await self._archive.search(
                wanted.query or "*",
                offset=offset,
                limit=_PAGE,
                sort_by=wanted.sort_by,
                sort_dir=wanted.sort_dir,
                restriction=account.restriction(),
                verbose=True,
            )
            rows = [row if isinstance(row, dict) else msgspec.json.decode(row) for row in page.rows]
            for row in rows:
                yield row
            offset += len(rows)
            if len(rows) < _PAGE:
                return

    async def _hits(
        self, job: Json, find: Find, named: "re.Pattern[str]"
    ) -> AsyncIterator[tuple[str, str, Hit]]:
        for name, text in _inline(job):
            if hit := await asyncio.to_thread(find, text):
                yield name, name, hit
        if job.get("log_file_size") and not isinstance(job.get("output"), str):
            key = f"logs/jobs/{job['id']}/log.txt.gz"
            if hit := await self._in_file(key, find):
                yield "output", "log.txt", hit
        for file in job.get("files") or ():
            path = file.get("path") if isinstance(file, dict) else None
            if isinstance(path, str) and named.search(path) and (hit := await self._in_file(path, find)):
                yield path, str(file.get("filename") or path.rpartition("/")[2]), hit

    async def _in_file(self, key: str, find: Find) -> Hit | None:
        """Raises BadParameter; a file that is gone, or is no gzip although it says so, has no match."""
        try:
            body = b"".join([chunk async for chunk in self._files.stream(key, 0, _MOST_BYTES)])
        except Refusal:
            return None
        return await asyncio.to_thread(lambda: find(_unpacked(key, body).decode(errors="replace")))

    def _result(self, id: str, job: Json, file: str, name: str, hit: Hit) -> Json:
        told = {key: job.get(key, "") for key in ("type", "plugin", "label", "icon", "event", "completed")}
        return {
            "id": id,
            "job": job["id"],
            **told,
            "file": file,
            "filename": name,
            "preview": {"before": hit.before, "matched": hit.matched, "after": hit.after},
            "count": hit.count,
            "token": log_token(str(job["id"]), self._settings.secret_key),
        }


def finder(wanted: Asked) -> Find:
    """Raises BadParameter for an empty or malformed pattern."""
    import regex

    if not wanted.match:
        raise BadParameter("Missing parameter: match")
    text = wanted.match if _true(wanted.regex) else regex.escape(wanted.match)
    try:
        pattern = regex.compile(text, 0 if _true(wanted.case) else regex.IGNORECASE)
    except (regex.error, RecursionError, OverflowError) as error:
        raise BadParameter(f"Malformed parameter: match ({error})") from None

    def find(content: str) -> Hit | None:
        try:
            found = pattern.search(content, timeout=_TEXT_SECONDS)
            if found is None:
                return None
            count = sum(1 for _ in islice(pattern.finditer(content, timeout=_TEXT_SECONDS), _MOST_COUNTED))
        except TimeoutError:
            raise BadParameter("Malformed parameter: match (it takes too long)") from None
        start, end = found.span()
        before, after = content[max(start - _AROUND, 0) : start], content[end : end + _AROUND]
        return Hit(before, found[0][:_MOST_RESULTS], after, count)

    return find


def _wanted(asked: Mapping[str, Any]) -> Asked:
    try:
        return msgspec.convert({key: value for key, value in asked.items() if value is not None}, Asked)
    except msgspec.ValidationError as error:
        raise BadParameter(f"Malformed parameter: {error}") from None


def _inline(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The texts in the record itself, by the dotted names of their properties."""
    for path in _INLINE:
        value: Any = job
        for step in path:
            value = value.get(step) if isinstance(value, Mapping) else None
        if value:
            yield ".".join(path), value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _unpacked(key: str, body: bytes) -> bytes:
    if not key.endswith(".gz"):
        return body
    try:
        return zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(body, _MOST_BYTES)
    except zlib.error:
        return b""


def _true(value: object) -> bool:
    return value not in (False, 0, "", "0", "false")
