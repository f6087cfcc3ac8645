"""Timelines in SQL: what a server's next sample is added to, what clients read, what has become too old.

A row is one hour of one server (`buckets`) and is always written whole. A sample that was written with a row is in
that row, so that neither a repeated write nor another primary can count it twice.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
import structlog

from conductor.monitoring.buckets import HOUR, MINUTE, BadBlock, Key, decode_bucket, decode_minutes
from conductor.monitoring.monitors import Number, Reading
from conductor.monitoring.rows import (
    MOST_ROWS,
    Details,
    Point,
    System,
    Window,
    hour_details,
    minute_details,
    minute_sums,
    rows_of,
)
from conductor.records import tables
from conductor.records.store import Records, Write, upsert
from shared.clock import Seconds

_READ_SECONDS = 30.0
_TOGETHER = 200
"""Servers of one query."""

_TABLE = tables.timelines
_UPSERT = upsert(_TABLE)
_COLUMNS = _TABLE.c
_OF_SERVERS = sa.select(_COLUMNS.server, _COLUMNS.resolution, _COLUMNS.doc).where(
    _COLUMNS.server.in_(sa.bindparam("servers", expanding=True)), _COLUMNS.start == sa.bindparam("start")
)
_SAMPLES_OF = sa.select(tables.samples.c.server, tables.samples.c.doc).where(
    tables.samples.c.server.in_(sa.bindparam("servers", expanding=True))
)
_BETWEEN = (
    sa.select(_COLUMNS.start, _COLUMNS.doc)
    .where(
        _COLUMNS.server == sa.bindparam("wanted"),
        _COLUMNS.resolution == sa.bindparam("source"),
        _COLUMNS.start >= sa.bindparam("since"),
        _COLUMNS.start <= sa.bindparam("until"),
    )
    .order_by(_COLUMNS.start)
)
_EDGES = sa.select(sa.func.min(_COLUMNS.start), sa.func.max(_COLUMNS.start)).where(
    _COLUMNS.server == sa.bindparam("wanted"), _COLUMNS.resolution == sa.bindparam("source")
)
_NEXT_SERVER = sa.select(sa.func.min(_COLUMNS.server)).where(_COLUMNS.server > sa.bindparam("after"))
_DELETE = sa.delete(_TABLE).where(_COLUMNS.server == sa.bindparam("wanted"))
_DELETE_SAMPLE = sa.delete(tables.samples).where(tables.samples.c.server == sa.bindparam("wanted"))
_TRIM = sa.delete(_TABLE).where(
    _COLUMNS.server == sa.bindparam("wanted"),
    _COLUMNS.resolution == sa.bindparam("source"),
    _COLUMNS.start < sa.bindparam("before"),
)

log = structlog.get_logger(__name__)


class Known(NamedTuple):
    """What SQL has of a server that sends its first sample of a term."""

    documents: Mapping[int, bytes]
    """Of the hour asked for, by resolution."""
    reading: Reading | None


class Ask(NamedTuple):
    """Which rows of a timeline. `first` None: the last `limit` ones; `limit` 0: all, as far as the house goes."""

    system: System
    limit: int
    first: int | None = None
    monitors: frozenset[str] | None = None
    detail: bool = False


class Timelines:
    def __init__(self, records: Records) -> None:
        self._records = records

    async def known(self, servers: Sequence[str], hour: int) -> dict[str, Known]:
        """What is stored of each, for the hour of number `hour`. Raises Unavailable."""

        def read(connection: sa.Connection) -> tuple[list[Any], list[Any]]:
            documents: list[Any] = []
            samples: list[Any] = []
            for at in range(0, len(servers), _TOGETHER):
                some = {"servers": list(servers[at : at + _TOGETHER])}
                documents += connection.execute(_OF_SERVERS, {**some, "start": hour * HOUR}).all()
                samples += [
                    (server, _reading(doc)) for server, doc in connection.execute(_SAMPLES_OF, some).all()
                ]
            return documents, samples

        documents, samples = await self._records.read(read, timeout=_READ_SECONDS)
        by_server: dict[str, dict[int, bytes]] = {server: {} for server in servers}
        for server, resolution, doc in documents:
            by_server[server][resolution] = doc
        readings = dict(samples)
        return {server: Known(found, readings.get(server)) for server, found in by_server.items()}

    async def hours(self, places: Collection[tuple[str, int]]) -> dict[tuple[str, int], dict[int, bytes]]:
        """What is stored of each (server, number of an hour), by resolution. Raises Unavailable."""
        servers: dict[int, list[str]] = {}
        for server, hour in places:
            servers.setdefault(hour, []).append(server)

        def read(connection: sa.Connection) -> dict[tuple[str, int], dict[int, bytes]]:
            found: dict[tuple[str, int], dict[int, bytes]] = {place: {} for place in places}
            for hour, those in servers.items():
                for at in range(0, len(those), _TOGETHER):
                    asked = {"servers": those[at : at + _TOGETHER], "start": hour * HOUR}
                    for server, resolution, doc in connection.execute(_OF_SERVERS, asked):
                        found[server, hour][resolution] = doc
            return found

        return await self._records.read(read, timeout=_READ_SECONDS)

    @staticmethod
    def write(rows: Iterable[tuple[str, Key, bytes]]) -> Write:
        """Store rows of servers, over what is there. For a transaction of the caller's."""
        return Write(
            _UPSERT,
            [
                {"server": server, "resolution": resolution, "start": start, "doc": doc}
                for server, (resolution, start), doc in rows
            ],
        )

    async def rows(self, server: str, ask: Ask, unwritten: Mapping[Key, bytes]) -> msgspec.Raw:
        """Rows of a server's timeline, oldest first, as JSON. `unwritten`: newer than what SQL has.

        Raises Unavailable.
        """

        def read(connection: sa.Connection) -> bytes:
            return msgspec.json.encode(_read_rows(connection, server, ask, unwritten))

        return msgspec.Raw(await self._records.read(read, timeout=_READ_SECONDS))

    async def delete(self, server: str) -> None:
        """Forget a server's history and its last sample."""
        await self._records.write(
            Write(_DELETE, {"wanted": server}), Write(_DELETE_SAMPLE, {"wanted": server})
        )

    async def trim(self, now: Seconds, kept: Seconds) -> int:
        """Delete what is older than `kept` seconds; return how many rows that were."""
        before, after, deleted = int(now - kept) // HOUR * HOUR, "", 0
        while server := await self._next_server(after):
            for source in (MINUTE, HOUR):
                rows = {"wanted": server, "source": source, "before": before}
                deleted += await self._records.write(Write(_TRIM, rows))
            after = server
        return deleted

    async def _next_server(self, after: str) -> str | None:
        return await self._records.read(
            lambda connection: connection.execute(_NEXT_SERVER, {"after": after}).scalar()
        )


class _StoredData(msgspec.Struct):
    monitors: dict[str, Number] = {}


class _StoredSample(msgspec.Struct):
    date: int
    data: _StoredData


_sample_decoder = msgspec.json.Decoder(_StoredSample)


def _reading(doc: bytes) -> Reading | None:
    """The monitors of a stored sample, read without the rest of it."""
    try:
        sample = _sample_decoder.decode(doc)
    except msgspec.MsgspecError:
        return None
    return Reading(sample.date, sample.data.monitors)


def _read_rows(
    connection: sa.Connection, server: str, ask: Ask, unwritten: Mapping[Key, bytes]
) -> list[dict[str, Any]]:
    system = ask.system
    of_source = {"wanted": server, "source": system.source}
    own = {start: doc for (resolution, start), doc in unwritten.items() if resolution == system.source}
    least, most = connection.execute(_EDGES, of_source).one()
    edges = [edge for edge in (least, most, *own) if edge is not None]
    if not edges:
        return []
    oldest, newest = min(edges), max(edges)
    limit = min(ask.limit or MOST_ROWS, MOST_ROWS)
    if ask.first is None:
        last = _last_slot(connection, server, system, newest, own)
        window = Window(max(last - limit + 1, system.slot(oldest)), last)
    else:
        first = max(ask.first, system.slot(oldest))
        # The list begins with its first bucket: an earlier start shortens what was asked for.
        end = ask.first + limit if ask.limit else first + limit
        window = Window(first, min(end - 1, system.slot(newest + HOUR - 1)))
    if window.first > window.last:
        return []
    since, until = window.first * system.seconds // HOUR * HOUR, (window.last + 1) * system.seconds - 1
    found = connection.execute(_BETWEEN, {**of_source, "since": since, "until": until}).all()
    documents = {row.start: row.doc for row in found} | {
        start: doc for start, doc in own.items() if since <= start <= until
    }
    window = _with_edges(window, documents, oldest, newest)
    if system.source == HOUR:
        return rows_of(system, _hours(documents, server, ask), window)
    if ask.detail:
        return rows_of(system, _minutes(documents, server, ask, minute_details), window)
    return rows_of(system, _minutes(documents, server, ask, minute_sums), window)


def _with_edges(window: Window, found: Iterable[int], oldest: int, newest: int) -> Window:
    """Tell whether there is more on either side: then fillers reach to that edge."""
    starts = list(found)
    return Window(
        window.first, window.last, more_before=oldest not in starts, more_after=newest not in starts
    )


def _last_slot(
    connection: sa.Connection, server: str, system: System, newest: int, own: Mapping[int, bytes]
) -> int:
    """The last bucket that has a sample."""
    if system.source == HOUR:
        return system.slot(newest)
    doc = own.get(newest)
    if doc is None:
        asked = {"wanted": server, "source": MINUTE, "since": newest, "until": newest}
        doc = connection.execute(_BETWEEN, asked).one().doc
    try:
        _, rows = decode_minutes(doc)
    except BadBlock:
        rows = []
    return system.slot(newest + (rows[-1].minute if rows else 0) * MINUTE)


def _hours(documents: Mapping[int, bytes], server: str, ask: Ask) -> Iterator[tuple[int, Details]]:
    for start in sorted(documents):
        try:
            bucket = decode_bucket(documents[start])
        except BadBlock as error:
            _tell_unreadable(server, start, error)
        else:
            yield hour_details(start, bucket, ask.monitors, detail=ask.detail)


def _minutes(
    documents: Mapping[int, bytes],
    server: str,
    ask: Ask,
    points_of: Callable[..., Iterator[tuple[int, Point]]],
) -> Iterator[tuple[int, Point]]:
    for start in sorted(documents):
        try:
            ids, rows = decode_minutes(documents[start])
        except BadBlock as error:
            _tell_unreadable(server, start, error)
        else:
            yield from points_of(start, ids, rows, ask.monitors)


def _tell_unreadable(server: str, start: int, error: BadBlock) -> None:
    log.warning("an hour of a timeline cannot be read", server=server, start=start, error=str(error))
