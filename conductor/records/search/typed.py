"""Values of number and date fields in queries (contract search.md §3.4, §3.5). Local time throughout."""

import re
import time
from datetime import datetime

from conductor.records.search.index import Field, FieldType
from conductor.records.search.tree import NOTHING, Span, Tree
from conductor.records.search.words import bucket

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_YEAR_FIRST = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})")
_MONTH_FIRST = re.compile(r"(\d{1,2})\D(\d{1,2})\D(\d{4})")
_YEAR_MONTH = re.compile(r"(\d{4})\D(\d{1,2})")
_MOMENT = re.compile(r"(\d{4})\D(\d{1,2})\D(\d{1,2})[t_ ](\d{1,2}):(\d{2})(?::(\d{2}))?")
_YEAR = re.compile(r"\d{4}")
_LATEST = 2**40
"""Seconds; beyond are not dates that the system's calendar can turn into days."""

_Day = tuple[int, int, int]


def typed(field: Field, operator: str, value: str, now: float) -> Tree:
    """The records whose `field` stands in this relation to `value`; Nothing if it cannot be read.

    `operator`: one of = > >= < <=.
    """
    if operator == "=":
        stretch = _stretch(field, value, now, exact=True)
        return NOTHING if stretch is None else Span(field.name, *stretch)
    stretch = _stretch(field, value, now, exact=False)
    if stretch is None:
        return NOTHING
    start, end = stretch
    match operator:
        case ">":
            return Span(field.name, end, None)
        case ">=":
            return Span(field.name, start, None)
        case "<":
            return Span(field.name, None, start)
        case _:
            return Span(field.name, None, end)


def between(field: Field, low: str, high: str, now: float) -> Tree:
    """From `low` to `high`, both included."""
    first = _stretch(field, low, now, exact=False)
    last = _stretch(field, high, now, exact=False)
    if first is None or last is None or first[0] >= last[1]:
        return NOTHING
    return Span(field.name, first[0], last[1])


def _stretch(field: Field, value: str, now: float, exact: bool) -> tuple[int, int] | None:
    """The stored values that `value` stands for: from the first up to, not including, the second."""
    text = value.strip().lower()
    try:
        if field.type is FieldType.DATE:
            return _days(text, now, exact)
        if match := _MOMENT.fullmatch(text):
            return _moment(*(int(part) if part else -1 for part in match.groups()))
        number = _number(text, now)
    except (ValueError, OverflowError):
        return None
    if number is None:
        return None
    whole = bucket(number, field.divide)
    return whole * field.divide, (whole + 1) * field.divide


def _moment(year: int, month: int, day: int, hour: int, minute: int, second: int) -> tuple[int, int]:
    """A minute, or a second, of local time: finer than the contract's hours, where the field has a column."""
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        raise ValueError("no such time")
    start = int(time.mktime((year, month, day, hour, minute, max(second, 0), 0, 0, -1)))
    return start, start + (60 if second < 0 else 1)


def _number(text: str, now: float) -> int | None:
    if _NUMBER.fullmatch(text):
        return int(text.partition(".")[0])
    if text in ("today", "now"):
        return _midnight(_day_of(now))
    if match := _YEAR_FIRST.fullmatch(text):
        return _midnight((int(match[1]), int(match[2]), int(match[3])))
    return None


def _days(text: str, now: float, exact: bool) -> tuple[int, int] | None:
    """Whole days; a year or month alone is all its days if `exact`, else its first."""
    if match := _YEAR_FIRST.fullmatch(text):
        return _from_to((int(match[1]), int(match[2]), int(match[3])))
    if match := _MONTH_FIRST.fullmatch(text):
        return _from_to((int(match[3]), int(match[1]), int(match[2])))
    if match := _YEAR_MONTH.fullmatch(text):
        year, month = int(match[1]), int(match[2])
        return _from_to((year, month, 1), (year, month + 1, 1) if exact else None)
    if _YEAR.fullmatch(text):
        return _from_to((int(text), 1, 1), (int(text) + 1, 1, 1) if exact else None)
    if text in ("today", "now", "yesterday"):
        year, month, day = _day_of(now)
        return _from_to((year, month, day - (text == "yesterday")))
    if _NUMBER.fullmatch(text):
        return _from_to(_day_of(float(text)))
    return _from_to(_day_of(datetime.fromisoformat(text).timestamp()))


def _from_to(first: _Day, after: _Day | None = None) -> tuple[int, int]:
    year, month, day = first
    return _midnight(first), _midnight(after or (year, month, day + 1))


def _midnight(day: _Day) -> int:
    if not (1 <= day[1] <= 13 and 0 <= day[2] <= 32):
        raise ValueError("no such day")
    return int(time.mktime((*day, 0, 0, 0, 0, 0, -1)))


def _day_of(seconds: float) -> _Day:
    if not -_LATEST < seconds < _LATEST:
        raise OverflowError("no such time")
    local = time.localtime(seconds)
    return local.tm_year, local.tm_mon, local.tm_mday
