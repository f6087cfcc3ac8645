"""An export: lines as they are asked for, one page of records at a time."""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from conductor.administration.backup.kept import FileSection, Sections, UserSection
from conductor.administration.backup.lines import FOOTER, Line, Put, Record, comment, encoded, header
from conductor.administration.backup.lists import items_of, lines
from conductor.administration.backup.selection import Item
from conductor.administration.collections import Collections
from conductor.administration.statistics import Statistics
from conductor.definitions.repository import Definitions
from conductor.records.files import Files
from conductor.records.store import Records

Json = dict[str, Any]

_ID = re.compile(r"\w+")
_MOST_DAYS = 10_000


class Export:
    def __init__(
        self,
        definitions: Definitions,
        records: Records,
        collections: Collections,
        sections: Sections,
        files: Files,
        statistics: Statistics,
        host: str,
    ) -> None:
        self._definitions = definitions
        self._records = records
        self._collections = collections
        self._sections = sections
        self._files = FileSection(files)
        self._statistics = statistics
        self._host = host

    async def stream(self, items: Sequence[Item]) -> AsyncIterator[bytes]:
        """The whole export; it is complete only if its last line is FOOTER. Raises Refusals, also midway."""
        yield header(self._host, datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"))
        for item in items:
            yield comment(f"{item.type} {item.key or item.index}".strip())
            async for line in self._lines(item):
                yield encoded(line)
        yield f"\n{FOOTER}\n".encode()

    async def _lines(self, item: Item) -> AsyncIterator[Line]:
        match item.type:
            case "list":
                for line in lines(item.list_name, [one async for one in self._list(item.list_name)]):
                    yield line
            case "index":
                async for record in self._records_of(item):
                    yield Record(item.index, str(record["id"]), record)
            case "users":
                async for line in self._users(avatars=bool(item.avatars)):
                    yield line
            case "jobFiles":
                async for line in self._job_files(item):
                    yield line
            case "ticketFiles":
                async for line in self._files_of("tickets", item):
                    yield line
            case "bucketFiles":
                async for line in self._bucket_files(item):
                    yield line
            case _:
                for prefix in _SECTIONS.get(item.type, ()):
                    section = self._sections.get(prefix)
                    if section is not None:
                        async for key, value in section.all():
                            yield Put(key, value)

    async def _list(self, name: str) -> AsyncIterator[Any]:
        if name == "users":
            section = self._sections.get(UserSection.prefix)
            if section is not None:
                async for _, user in section.all():
                    yield {"username": user["username"]}
        elif name == "stats":
            for start, day in (await self._statistics.history(0, _MOST_DAYS))[0]:
                yield {**day, "currentDay": {**(day.get("currentDay") or {}), "timeStart": start}}
        else:
            async for item in items_of(self._definitions, self._records, name):
                yield item

    async def _records_of(self, item: Item, index: str = "") -> AsyncIterator[Json]:
        """Records, newest first; whole."""
        count = 0
        name = index or item.index
        self._collections.check(name)
        async for rows in self._collections.pages(name, item.query or "*", newest_first=True):
            for row in rows:
                if item.max_rows and count >= item.max_rows:
                    return
                count += 1
                yield row

    async def _users(self, *, avatars: bool) -> AsyncIterator[Line]:
        section = self._sections.get(UserSection.prefix)
        if section is None:
            return
        async for key, user in section.all():
            for size in (64, 256) if avatars else ():
                async for line in self._file(f"{key}/avatar/{size}.png", 8 * 1024**2):
                    yield line
            yield Put(key, user)

    async def _job_files(self, item: Item) -> AsyncIterator[Line]:
        async for job in self._records_of(item, "jobs"):
            if item.logs and _ID.fullmatch(str(job["id"])):
                async for line in self._file(f"logs/jobs/{job['id']}/log.txt.gz", item.max_size):
                    yield line
            if item.files:
                async for line in self._named(job.get("files"), item.max_size):
                    yield line

    async def _files_of(self, index: str, item: Item) -> AsyncIterator[Line]:
        async for record in self._records_of(item, index):
            async for line in self._named(record.get("files"), item.max_size):
                yield line

    async def _bucket_files(self, item: Item) -> AsyncIterator[Line]:
        section = self._sections.get("buckets/")
        if section is None:
            return
        async for key, value in section.all():
            if key.endswith("/files"):
                async for line in self._named(value, item.max_size):
                    yield line

    async def _named(self, stubs: Any, most: int) -> AsyncIterator[Line]:
        for stub in stubs if isinstance(stubs, list) else ():
            path = stub.get("path") if isinstance(stub, dict) else None
            if isinstance(path, str) and path.startswith("files/"):
                async for line in self._file(path, most):
                    yield line

    async def _file(self, key: str, most: int) -> AsyncIterator[Line]:
        body = await self._files.one(key, most)
        if body is not None:
            yield Put(key, body)


_SECTIONS = {
    "bucketData": ("buckets/",),
    "secretData": ("secrets/",),
    "monitorData": ("hosts/", "timeline/"),
    "state": ("global/state",),
}
"""The sections of each further type."""
