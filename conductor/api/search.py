"""Searches of the collections, their summaries and the statistics' history (contract search.md §1, §5).

A caller's limits are a condition beside the query, never part of its text. Answers may be kept by the caller
alone (`private`).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from conductor.administration import day, tally
from conductor.administration.collections import Collections
from conductor.administration.statistics import Statistics
from conductor.api import visibility
from conductor.api.call import Call
from conductor.api.endpoint import Auth, Endpoint, NoParams
from conductor.api.useragents import friendly
from conductor.definitions.repository import Definitions
from conductor.errors import Refusal
from conductor.records.search.finder import SearchPage
from conductor.records.search.index import Index
from conductor.records.search.language import remarks
from conductor.records.search.tree import EVERYTHING, Prefix, SearchError, Tree
from conductor.settings import Settings

Json = dict[str, Any]

MOST_ROWS = 10_000
"""Of one page; a greater `limit` is this one. Readers go on with `after`, or with `offset`."""

_FALSE = (False, 0, "", "0", "false")
_ADDRESSES = ("ip", "ips", "headers")
_MENUS = ("os_platform", "os_distro", "os_release", "os_arch", "cpu_virt", "cpu_brand", "cpu_cores")
_HEAVY_SNAPSHOT = ("servers", "snapshots", "group_def", "quickmons")
_HEAVY_SAMPLE = ("conns", "processes", "mounts", "commands")

Flag = bool | int | str
Offset = Annotated[int, msgspec.Meta(ge=0, le=2**31)]


class Query(msgspec.Struct, kw_only=True):
    query: str = "*"
    offset: Offset = 0
    limit: Annotated[int, msgspec.Meta(ge=0)] = 1
    sort_by: str = "_id"
    sort_dir: int = -1
    after: str = ""
    """Of ours: the last ID of the page before, in the order of `_id`; new records shift nothing then."""
    ttl: Annotated[int, msgspec.Meta(ge=0)] | None = None


class JobQuery(Query, kw_only=True):
    verbose: Flag = False
    select: list[str] | str = ""


class VerboseQuery(Query, kw_only=True):
    verbose: Flag = False


class TicketQuery(Query, kw_only=True):
    compact: Flag = False


class RevisionQuery(Query, kw_only=True):
    type: str
    query: str = ""


class StatQuery(msgspec.Struct, kw_only=True):
    offset: Annotated[int, msgspec.Meta(ge=-(2**31), le=2**31)] = 0
    limit: Annotated[int, msgspec.Meta(ge=0)] = 1
    path: str = ""
    key_prefix: str = ""
    current_day: Flag = False
    ttl: Annotated[int, msgspec.Meta(ge=0)] | None = None


class Rows(msgspec.Struct, kw_only=True):
    rows: list[Json]
    list: dict[str, int]


_REVISIONS: Mapping[str, str] = {
    "alerts": "alert_",
    "categories": "category_",
    "channels": "channel_",
    "events": "event_",
    "groups": "group_",
    "maintenance_windows": "maintenance_window_",
    "monitors": "monitor_",
    "plugins": "plugin_",
    "tags": "tag_",
    "web_hooks": "web_hook_",
    "buckets": "bucket_",
    "secrets": "secret_",
    "tickets": "ticket_",
    "roles": "role_",
}


def flag(value: Flag) -> bool:
    return value not in _FALSE


def listed(value: Sequence[str] | str) -> list[str]:
    """An array, or a comma-separated text, as a list of words."""
    words = value.split(",") if isinstance(value, str) else value
    return [word.strip() for word in words if isinstance(word, str) and word.strip()]


class Searches:
    """The endpoints of this page."""

    def __init__(
        self,
        collections: Collections,
        statistics: Statistics,
        settings: Settings,
        definitions: Definitions,
    ) -> None:
        self._definitions = definitions
        self._collections = collections
        self._statistics = statistics
        self._settings = settings

    async def jobs(self, call: Call, params: JobQuery) -> Json:
        page = await self._collections.jobs.search(
            params.query or "*",
            **_order(params),
            restriction=call.account.restriction(),
            verbose=flag(params.verbose),
            select=listed(params.select) or None,
        )
        return self._answer(call, params, page.rows, page.total, self._collections.jobs.index)

    async def servers(self, call: Call, params: Query) -> Json:
        return self._found(call, params, "servers", await self._page(call, params, "servers"))

    async def alerts(self, call: Call, params: Query) -> Json:
        return self._found(call, params, "alerts", await self._page(call, params, "alerts"))

    async def snapshots(self, call: Call, params: VerboseQuery) -> Json:
        page = await self._page(call, params, "snapshots")
        if flag(params.verbose):
            return self._found(call, params, "snapshots", page)
        return self._found(call, params, "snapshots", page, [_light(row) for row in _decoded(page)])

    async def tickets(self, call: Call, params: TicketQuery) -> Json:
        try:
            page = await self._page(call, params, "tickets")
        except SearchError as error:
            raise Refusal("ticket", f"Failed DB search: {error.reason}") from None
        if not flag(params.compact):
            return self._found(call, params, "tickets", page)
        return self._found(call, params, "tickets", page, [_compact(row) for row in _decoded(page)])

    async def activity(self, call: Call, params: Query) -> Json:
        page = await self._page(call, params, "activity")
        rows = _decoded(page)
        for row in rows:
            headers = row.get("headers")
            row["useragent"] = (
                friendly(str(headers.get("user-agent", ""))) if isinstance(headers, dict) else ""
            )
        return self._found(call, params, "activity", page, rows)

    async def revisions(self, call: Call, params: RevisionQuery) -> Json:
        prefix = _REVISIONS.get(params.type)
        if prefix is None:
            raise Refusal("search", "Invalid search type.")
        text = params.query.strip()
        if "action:" in text or text.startswith(("(", "#")):
            raise Refusal("search", "Invalid search query.")
        if call.account.limited:
            return self._answer(call, params, [], 0, None)
        page = await self._page(call, params, "activity", within=Prefix("action", prefix))
        rows = [{key: value for key, value in row.items() if key not in _ADDRESSES} for row in _decoded(page)]
        one = prefix.rstrip("_")
        for row in rows:  # an older state is told as the present one would be
            if isinstance(row.get(one), dict):
                row[one] = visibility.shown(self._definitions, params.type, row[one], call.account)
        return self._found(call, params, "activity", page, rows)

    async def summaries(self, call: Call, params: NoParams) -> Json:
        """Within the caller's groups: what other servers are is not told."""
        found = await self._collections.documents["servers"].summaries(_MENUS, call.account.restriction())
        return {
            "summaries": {
                name: {
                    "id": name,
                    "values": one.values,
                    "labels": one.labels,
                    "modified": self._statistics.started,
                }
                for name, one in found.items()
            }
        }

    async def stat_history(self, call: Call, params: StatQuery) -> Json:
        rows, total = await self._statistics.history(params.offset, min(params.limit or 1, MOST_ROWS))
        if flag(params.current_day) and rows:
            rows.append((self._statistics.current_day()["timeStart"], self._statistics.shown()))
        items = []
        for start, kept in rows:
            data = tally.selected(kept, params.path, params.key_prefix)
            if data is not None:
                date = day.date(start, self._settings.tz)
                items.append({"epoch": start, "date": date, "data": data})
        self._keep(call, params.ttl)
        return {"items": items, "list": {"length": total}}

    async def _page(self, call: Call, params: Query, name: str, within: Tree = EVERYTHING) -> SearchPage:
        return await self._collections.documents[name].search(
            params.query or "*", **_order(params), restriction=call.account.restriction(), within=within
        )

    def _found(
        self, call: Call, params: Query, name: str, page: SearchPage, rows: list[Json] | None = None
    ) -> Json:
        index = self._collections.documents[name].index
        return self._answer(call, params, page.rows if rows is None else rows, page.total, index)

    def _answer(
        self, call: Call, params: Query, rows: Sequence[Any], total: int, index: Index | None
    ) -> Json:
        self._statistics.bump("transactions", "search")
        self._keep(call, params.ttl)
        answer: Json = {"rows": rows, "list": {"length": total}}
        if index is not None and (warnings := remarks(params.query, index)):
            answer["warnings"] = warnings
        return answer

    def _keep(self, call: Call, ttl: int | None) -> None:
        age = self._settings.ttl if ttl is None else ttl
        call.headers["Cache-Control"] = f"private, max-age={age}, must-revalidate"

    def endpoints(self) -> tuple[Endpoint[Any], ...]:
        return (
            Endpoint("search_jobs", self.jobs, JobQuery, "Ended jobs by the search language", result=Rows),
            Endpoint("search_servers", self.servers, Query, "Servers by the search language", result=Rows),
            Endpoint("search_alerts", self.alerts, Query, "Alerts that fired, now or before", result=Rows),
            Endpoint("search_snapshots", self.snapshots, VerboseQuery, "Snapshots", result=Rows),
            Endpoint("search_tickets", self.tickets, TicketQuery, "Tickets", result=Rows),
            Endpoint(
                "search_activity", self.activity, Query, "The activity log", auth=Auth.ADMIN, result=Rows
            ),
            Endpoint(
                "search_revision_history",
                self.revisions,
                RevisionQuery,
                "Every change of definitions of one kind",
                result=Rows,
            ),
            Endpoint(
                "get_server_summaries", self.summaries, NoParams, "What systems and processors there are"
            ),
            Endpoint("search_stat_history", self.stat_history, StatQuery, "The statistics of past days"),
        )


def endpoints(
    collections: Collections, statistics: Statistics, settings: Settings, definitions: Definitions
) -> tuple[Endpoint[Any], ...]:
    return Searches(collections, statistics, settings, definitions).endpoints()


def _order(params: Query) -> Json:
    return {
        "offset": params.offset,
        "limit": min(params.limit, MOST_ROWS),
        "sort_by": params.sort_by or "_id",
        "sort_dir": params.sort_dir or -1,
        "after": params.after,
    }


def _decoded(page: SearchPage) -> list[Json]:
    return [msgspec.json.decode(row, type=Json) for row in page.rows]


def _light(snapshot: Json) -> Json:
    data = snapshot.get("data")
    data = data if isinstance(data, dict) else {}
    kept = {key: value for key, value in snapshot.items() if key not in _HEAVY_SNAPSHOT}
    return kept | {"data": {key: value for key, value in data.items() if key not in _HEAVY_SAMPLE}}


def _compact(ticket: Json) -> Json:
    changes = ticket.pop("changes", None)
    ticket.pop("body", None)
    return ticket | {"changes": len(changes) if isinstance(changes, list) else 0}
