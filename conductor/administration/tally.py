"""Counters of one day (contract platform.md §7, structures/stats.yaml). Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]

_MAPS = (
    "transactions",
    "servers",
    "groups",
    "events",
    "categories",
    "plugins",
    "alerts",
    "channels",
    "web_hooks",
)
_NAMED_CODES = ("warning", "critical", "abort")
_MOST_KEYS = 10_000
"""Of each map: what others can make us count is bounded."""


def new_day(start: int) -> Json:
    day: Json = {"timeStart": start}
    day.update((name, {}) for name in _MAPS)
    return day | {"requests": 0, "bytes_in": 0, "bytes_out": 0}


def bump(day: Json, path: Iterable[str], amount: float = 1) -> None:
    """Add `amount` at `path`, making what is missing on the way."""
    *steps, last = path
    place = day
    for step in steps:
        inner = place.get(step)
        if not isinstance(inner, dict):
            if len(place) >= _MOST_KEYS:
                return
            inner = place[step] = {}
        place = inner
    known = place.get(last)
    if known is None and len(place) >= _MOST_KEYS:
        return
    place[last] = round((known if isinstance(known, int | float) else 0) + amount, 3)


def conditions(code: Any) -> tuple[str, ...]:
    """What a job's end counts as (contract actions.md §2)."""
    if code in (0, "0", "", None, False):
        return ("complete", "success")
    return ("complete", "error", str(code) if code in _NAMED_CODES else "user")


def job(day: Json, record: Mapping[str, Any], names: Iterable[str], *, amount: int = 1) -> None:
    """Count a job's conditions, for itself and for everything it belongs to; -1 takes them back."""
    for name in names:
        bump(day, ("transactions", f"job_{name}"), amount)
        for kind, ids in (
            ("events", [record.get("event")]),
            ("categories", [record.get("category")]),
            ("plugins", [record.get("plugin")]),
            ("servers", [record.get("server")]),
            ("groups", record.get("groups") or []),
        ):
            for id in ids if isinstance(ids, list) else ():
                if id and isinstance(id, str):
                    bump(day, (kind, id, f"job_{name}"), amount)


def job_sums(day: Json, record: Mapping[str, Any], *, amount: int = 1) -> None:
    files = record.get("files")
    for name, value in (
        ("job_elapsed", record.get("elapsed")),
        ("job_log_file_size", record.get("log_file_size")),
        ("job_files", len(files) if isinstance(files, list) else 0),
    ):
        if isinstance(value, int | float) and value:
            bump(day, ("transactions", name), amount * value)


def alert(day: Json, invocation: Mapping[str, Any], name: str) -> None:
    """`name`: alert_new or alert_cleared."""
    groups = invocation.get("groups")
    for kind, ids in (
        ("alerts", [invocation.get("alert")]),
        ("servers", [invocation.get("server")]),
        ("groups", groups if isinstance(groups, list) else []),
    ):
        for id in ids:
            if id and isinstance(id, str):
                bump(day, (kind, id, name))


def selected(day: Json, path: str, key_prefix: str) -> Any:
    """What of a day's record is at `path` (dots), with the keys that have a prefix; None if it is not there."""
    place: Any = day
    for step in path.split(".") if path else ():
        place = place.get(step) if isinstance(place, dict) else None
    if key_prefix and isinstance(place, dict):
        return {key: value for key, value in place.items() if key.startswith(key_prefix)}
    return place
