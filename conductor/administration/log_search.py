"""The last matching lines of our own log (contract search.md §6).

Runs in a thread, within a time limit; a pattern has a limit of its own, so that none can hold up the house.
"""

import gzip
import io
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import msgspec

from conductor.errors import BadParameter
from conductor.logs import FILE

Json = dict[str, Any]

COLUMNS = ("hires_epoch", "date", "hostname", "pid", "component", "category", "code", "msg", "data")

_ALL = ("conductor", "xyops", "opsorbit")
_COMPONENTS: Mapping[str, tuple[str, ...]] = {
    "action": ("actions", "outbound"),
    "api": ("api",),
    "comm": ("fleet",),
    "job": ("jobs",),
    "maint": ("administration",),
    "monitor": ("monitoring",),
    "multi": ("leadership", "term"),
    "redis": ("live",),
    "scheduler": ("schedule",),
    "secret": ("definitions",),
    "sqlite": ("records",),
    "postgres": ("records",),
    "storage": ("records", "filing"),
    "ticket": ("tickets",),
    "transaction": ("records",),
    "unbase": ("records",),
    "user": ("access",),
    "webserver": ("api",),
    "workflow": ("workflows",),
}
"""Rooms of the conductor by the original's names of log files; rooms have their own names as well."""
_LEVELS = {"debug": 9, "info": 5, "warning": 2, "error": 1, "critical": 1}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_SECONDS = 15.0
_LINE_SECONDS = 0.05
_LONGEST = 64 * 1024


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    log: str
    rows: int
    match: str = ""
    regex: bool = False
    case: bool = False
    columns: tuple[str, ...] = COLUMNS
    date: str = ""


def search(folder: Path, query: LogQuery) -> tuple[list[Json], int | None]:
    """The last matching entries, oldest first, and how many lines the file has; None if there is no file.

    Raises BadParameter: unknown column, bad pattern or date, or a search that takes too long.
    """
    for column in query.columns:
        if column not in COLUMNS:
            raise BadParameter(f"Unknown log column: {column[:40]}")
    matches = _matcher(query)
    rooms = _rooms(query.log)
    found: deque[Json] = deque(maxlen=query.rows)
    total = 0
    deadline = time.monotonic() + _SECONDS
    opened = None if rooms is None else _open(folder, query.date)
    if opened is None or rooms is None:
        return [], None
    with opened as file:
        for line in _lines(file):
            total += 1
            if total % 1000 == 0 and time.monotonic() > deadline:
                raise BadParameter("The search takes too long: narrow it by date")
            if matches(line) and (entry := _entry(line)) and _speaks(entry, rooms):
                found.append(entry)
    shown = [{column: entry[column] for column in query.columns} for entry in map(_row, found)]
    return shown, total


def _matcher(query: LogQuery) -> Callable[[str], bool]:
    if not query.match:
        return lambda line: True
    if not query.regex:
        if query.case:
            return lambda line: query.match in line
        lowered = query.match.lower()
        return lambda line: lowered in line.lower()
    import regex

    try:
        pattern = regex.compile(query.match, 0 if query.case else regex.IGNORECASE)
    except (regex.error, RecursionError, OverflowError) as error:
        raise BadParameter(f"Malformed parameter: match ({error})") from None

    def matches(line: str) -> bool:
        try:
            return pattern.search(line, timeout=_LINE_SECONDS) is not None
        except TimeoutError:
            raise BadParameter("Malformed parameter: match (it takes too long)") from None

    return matches


def _rooms(log: str) -> tuple[str, ...] | None:
    """The rooms whose entries are meant: empty for all; None for a name that none has."""
    name = log.lower()
    if name in _ALL:
        return ()
    if name in _COMPONENTS:
        return _COMPONENTS[name]
    known = {room for rooms in _COMPONENTS.values() for room in rooms}
    return (name,) if name in known else None


def _speaks(entry: Json, rooms: Sequence[str]) -> bool:
    return not rooms or _room(entry) in rooms


def _room(entry: Json) -> str:
    parts = str(entry.get("logger", "")).split(".")
    return parts[1] if len(parts) > 1 else parts[0]


def _open(folder: Path, date: str) -> IO[str] | None:
    if not date:
        path = folder / FILE
    else:
        if not _DATE.fullmatch(date):
            raise BadParameter("Malformed parameter: date")
        path = folder / f"{FILE}.{date}.gz"
    try:
        if date:
            return io.TextIOWrapper(gzip.open(path), errors="replace")
        return path.open(errors="replace")
    except FileNotFoundError:
        return None


def _lines(file: IO[str]) -> Iterator[str]:
    while line := file.readline(_LONGEST):
        yield line


def _entry(line: str) -> Json | None:
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _row(entry: Json) -> Json:
    """An entry in the columns that clients of the original know."""
    stamp = str(entry.pop("timestamp", ""))
    level = str(entry.pop("level", ""))
    try:
        moment = datetime.fromisoformat(stamp)
        epoch, date = moment.timestamp(), moment.strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        epoch, date = 0.0, stamp
    pid = entry.pop("pid", 0)
    row = {
        "hires_epoch": epoch,
        "date": date,
        "hostname": str(entry.pop("host", "")),
        "pid": pid if isinstance(pid, int) else 0,
        "component": _room(entry),
        "category": "error" if level in ("error", "critical") else "debug",
        "code": level if level in ("error", "critical", "warning") else str(_LEVELS.get(level, 5)),
        "msg": str(entry.pop("event", "")),
    }
    entry.pop("logger", None)
    return {**row, "data": msgspec.json.encode(entry).decode() if entry else ""}
