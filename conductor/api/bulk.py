"""Bulk export of searches, and bulk deletion by search (contract search.md §7)."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

import msgspec
from aiohttp import web

from conductor.administration import day
from conductor.administration.house import Administration
from conductor.administration.internal_jobs import InternalJob
from conductor.administration.tables_of_text import BOM, TYPES, header, rows
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, Takes, Text
from conductor.api.search import Flag, flag, listed
from conductor.api.streams import attachment
from conductor.errors import AccessDenied, BadParameter
from shared import clock, ids

Json = dict[str, Any]

Name = Annotated[str, msgspec.Meta(pattern=r"^\w+$(?!\n)")]

_COLUMN = re.compile(r"\w+")
_MOST_COLUMNS = 100


class ExportQuery(msgspec.Struct, kw_only=True):
    index: Name
    format: str = ""
    columns: list[str] | str
    query: str = "*"
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**31)] = 0
    sort_by: str = "_id"
    sort_dir: int = -1
    compress: Flag = False


class DeleteQuery(msgspec.Struct, kw_only=True):
    query: str = "*"


class DeleteFrom(msgspec.Struct, kw_only=True):
    index: Name
    query: Text


class Bulk:
    def __init__(self, house: Administration) -> None:
        self._house = house

    async def export(self, call: Call, params: ExportQuery) -> web.StreamResponse:
        house, index = self._house, params.index
        _require_unlimited(call)
        # `format` is among the keys that shape answers, and is none of the merged parameters.
        kind = str(call.query.get("format") or call.body.get("format") or "")
        if kind not in TYPES:
            raise BadParameter("Malformed parameter: format (csv, tsv or ndjson)")
        house.collections.check(index)
        if index == "activity":
            call.account.require_admin()
        columns = listed(params.columns)
        if not columns or len(columns) > _MOST_COLUMNS:
            raise BadParameter("Missing parameter: columns")
        for column in columns:
            if not _COLUMN.fullmatch(column):
                raise BadParameter(f"Malformed parameter: columns ({column[:40]})")
        compress = flag(params.compress)
        id = ids.short_id("db")
        date = day.date(clock.now(), house.settings.tz).replace("/", "-")
        name = f"xyops-{index}-export-{date}-{id}.{kind}{'.gz' if compress else ''}"
        return await self._sent(
            call, f"Custom user {index} bulk export", self._lines(params, kind, columns), name, kind, compress
        )

    async def _sent(
        self, call: Call, title: str, lines: AsyncIterator[bytes], name: str, kind: str, compress: bool
    ) -> web.StreamResponse:
        """Send it beside a quiet internal job, which shows that it is under way and can be aborted."""
        sending = asyncio.current_task()
        done = asyncio.Event()

        async def shown(job: InternalJob) -> None:
            try:
                await done.wait()
            except asyncio.CancelledError:
                if sending is not None:
                    sending.cancel()
                raise

        self._house.jobs.start(title, "db", shown, username=call.account.name, quiet=True)
        try:
            return await attachment(call, lines, name=name, kind=TYPES[kind], compress=compress)
        finally:
            done.set()

    async def _lines(self, params: ExportQuery, kind: str, columns: list[str]) -> AsyncIterator[bytes]:
        collections, query = self._house.collections, params.query or "*"
        if params.sort_by == "_id" and not params.offset:
            pages = collections.pages(params.index, query, newest_first=params.sort_dir < 0, columns=columns)
        else:
            pages = collections.sorted_pages(
                params.index,
                query,
                offset=params.offset,
                sort_by=params.sort_by,
                sort_dir=params.sort_dir or -1,
                columns=columns,
            )
        line = rows(columns, kind)
        # Before NDJSON it would break every reader of JSON.
        head = header(params.index, columns, kind)
        started = False
        async for page in pages:
            text = "".join(map(line, page))
            yield (text if started or kind == "ndjson" else BOM + head + text).encode()
            started = True
        if not started and kind != "ndjson":
            yield (BOM + head).encode()

    async def delete_jobs(self, call: Call, params: DeleteQuery) -> Mapping[str, Any]:
        _require_unlimited(call)
        return {"id": self._start(call, "Custom bulk job deletion", "jobs", params.query)}

    async def delete_tickets(self, call: Call, params: DeleteQuery) -> Mapping[str, Any]:
        _require_unlimited(call)
        return {"id": self._start(call, "Custom bulk ticket deletion", "tickets", params.query)}

    async def delete(self, call: Call, params: DeleteFrom) -> Mapping[str, Any]:
        return {"id": self._start(call, f"Custom bulk deletion ({params.index})", params.index, params.query)}

    def _start(self, call: Call, title: str, index: str, query: str) -> str:
        return self._house.sweeps.start(title, index, query or "*", call.account.name, call.actor)

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint(
                "bulk_search_export", self.export, ExportQuery, "What a search finds, as CSV, TSV or NDJSON"
            ),
            Endpoint(
                "bulk_search_delete_jobs",
                self.delete_jobs,
                DeleteQuery,
                "Delete the jobs that a search finds, in the background",
                methods=("POST",),
                privilege="delete_jobs",
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint(
                "bulk_search_delete_tickets",
                self.delete_tickets,
                DeleteQuery,
                "Delete the tickets that a search finds, in the background",
                methods=("POST",),
                privilege="delete_tickets",
                takes=Takes.BODY,
                mutates=True,
            ),
            Endpoint(
                "bulk_search_delete",
                self.delete,
                DeleteFrom,
                "Delete the records that a search finds, in the background",
                methods=("POST",),
                auth=Auth.ADMIN,
                takes=Takes.BODY,
                mutates=True,
            ),
        )


def _require_unlimited(call: Call) -> None:
    if call.account.limited:
        raise AccessDenied("Accounts with category or group limits cannot do this to whole searches.")
