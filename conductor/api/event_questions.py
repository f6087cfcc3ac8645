"""What is asked of the event log, read from a query string (seed 004). Pure.

Everything that is wrong is found at once, and named by where it stands.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from conductor.audit.resources import RESOURCE_TYPES, is_uuid

MOST = 100
"""Events of one page."""
_LONGEST = 128

Fault = tuple[tuple[str, ...], str, str]
"""Where, what, and of what type."""


class Invalid(Exception):
    """The request is answered with 422: what is wrong, and where."""

    def __init__(self, loc: tuple[str, ...], msg: str, kind: str, *more: Fault) -> None:
        self.problems: list[Fault] = [(loc, msg, kind), *more]
        super().__init__(self.problems)


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """`since` and `until` are microseconds, both inclusive."""

    event_type: str = ""
    resource_type: str = ""
    resource_id: str = ""
    since: int | None = None
    until: int | None = None
    limit: int = MOST
    offset: int = 0
    tree: bool = False
    last_event_id: str = ""


def read(given: Mapping[str, str], *known: str, last_event_id: str = "") -> Question:
    """The parameters `known`, as far as they are given; others are passed over. Raises Invalid."""
    values: dict[str, Any] = {"last_event_id": last_event_id}
    faults: list[Fault] = []
    for name in known:
        if name in given:
            field, parse = _PARAMETERS[name]
            try:
                values[field] = parse(given[name])
            except _Wrong as wrong:
                faults.append((("query", name), str(wrong), wrong.kind))
    since, until = values.get("since"), values.get("until")
    if since is not None and until is not None and since > until:
        faults.append((("query", "from"), "Input should not be later than 'to'", "value_error"))
    if last_event_id and not is_uuid(last_event_id):
        faults.append((("header", "Last-Event-ID"), "Input should be a valid UUID", "uuid_parsing"))
    if faults:
        first, *others = faults
        raise Invalid(*first, *others)
    return Question(**values)


class _Wrong(Exception):
    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.removeprefix("-").isdigit() or len(text) > 18:
            raise _Wrong("int_parsing", "Input should be a valid integer")
        number = int(text)
        if number < least:
            raise _Wrong("greater_than_equal", f"Input should be greater than or equal to {least}")
        if number > most:
            raise _Wrong("less_than_equal", f"Input should be less than or equal to {most}")
        return number

    return parse


def _moment(text: str) -> int:
    """ISO 8601, a date alone or Unix seconds; without an offset it is UTC."""
    try:
        found = datetime.fromtimestamp(float(text), UTC) if _is_number(text) else _iso(text)
        return int(found.timestamp() * 1_000_000)
    except (ValueError, OverflowError, OSError):
        raise _Wrong("datetime_parsing", "Input should be a valid datetime") from None


def _iso(text: str) -> datetime:
    # A plus sign that was not escaped arrives as a space.
    found = datetime.fromisoformat(text.replace(" ", "+") if text.count(" ") == 1 and "T" in text else text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_number(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit() and "-" not in text and len(text) > 8


def _word(text: str) -> str:
    if len(text) > _LONGEST or "\0" in text:
        raise _Wrong("string_too_long", f"String should have at most {_LONGEST} characters")
    return text


def _resource_type(text: str) -> str:
    if text and text not in RESOURCE_TYPES:
        raise _Wrong("enum", f"Input should be one of {', '.join(sorted(RESOURCE_TYPES))}")
    return text


def _flag(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise _Wrong("bool_parsing", "Input should be a valid boolean")


def _resource_id(text: str) -> str:
    if text.count("-") == 4 and not is_uuid(text):
        raise _Wrong("uuid_parsing", "Input should be a valid UUID")
    return _word(text)


_PARAMETERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "event_type": ("event_type", _word),
    "resource_type": ("resource_type", _resource_type),
    "resource_id": ("resource_id", _resource_id),
    "from": ("since", _moment),
    "to": ("until", _moment),
    "limit": ("limit", _whole(1, MOST)),
    "offset": ("offset", _whole(0, 10**12)),
    "tree": ("tree", _flag),
}
