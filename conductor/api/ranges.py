"""Which part of a file a request gets: conditions and ranges (contract api/files.yaml, RFC 9110). Pure."""

import hashlib
import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple

from conductor.records.files import Stat

_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class Part(NamedTuple):
    """Status 200, 206, 304 or 416, and the bytes from `start` up to, not including, `end`."""

    status: int
    start: int = 0
    end: int = 0


def etag(stat: Stat) -> str:
    """Size and time as clients know them, and what tells two writings within one second apart."""
    mark = f"-{hashlib.sha256(stat.etag.encode()).hexdigest()[:12]}" if stat.etag else ""
    return f'"{stat.size}-{stat.modified}{mark}"'


def last_modified(stat: Stat) -> str:
    return formatdate(stat.modified, usegmt=True)


def part(method: str, headers: Mapping[str, str], stat: Stat) -> Part:
    """The part to answer with. Ranges are for GET alone."""
    if not_modified(headers, stat):
        return Part(304)
    wanted = headers.get("Range")
    if wanted is None or method != "GET" or not _range_holds(headers.get("If-Range"), stat):
        return Part(200, 0, stat.size)
    return _ranged(wanted, stat.size)


def not_modified(headers: Mapping[str, str], stat: Stat) -> bool:
    """At least one of the two conditions was sent, and every one that was sent matches."""
    tags, since = headers.get("If-None-Match"), headers.get("If-Modified-Since")
    if tags is None and since is None:
        return False
    if tags is not None:
        given = [tag.strip().removeprefix("W/") for tag in tags.split(",")]
        if "*" not in given and etag(stat) not in given:
            return False
    if since is not None:
        date = _date(since)
        return date is not None and date >= stat.modified
    return True


def _range_holds(condition: str | None, stat: Stat) -> bool:
    """Whether the file is still the one of which the client has a part."""
    if condition is None:
        return True
    if condition.startswith('"'):
        return condition == etag(stat)
    return _date(condition) == stat.modified


def _ranged(wanted: str, size: int) -> Part:
    match = _RANGE.fullmatch(wanted.strip())
    if match is None or match[0] == "bytes=-":
        return Part(416)
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size)
        return Part(206, size - length, size) if length else Part(416)
    start, end = int(first), min(int(last) + 1, size) if last else size
    return Part(206, start, end) if start < end else Part(416)


def _date(text: str) -> int | None:
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
