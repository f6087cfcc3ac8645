"""The history of a ticket: what changed, who said what (contract api/tickets.yaml, change_detection). Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conductor.definitions.json_values import Json

TRACKED = (
    "subject",
    "body",
    "type",
    "category",
    "server",
    "status",
    "assignees",
    "due",
    "cc",
    "notify",
    "tags",
)
"""Properties whose changes are recorded."""
_LISTS = ("assignees", "cc", "notify", "tags")
_VALUELESS = ("body",)
DRAFT, OPEN, CLOSED = "draft", "open", "closed"


def created(username: str, moment: int) -> Json:
    return {"type": "change", "username": username, "date": moment, "key": "created"}


def removed(username: str, moment: int) -> Json:
    """The trace of a comment that was deleted."""
    return {"type": "change", "username": username, "date": moment, "key": "delete"}


def detected(
    stored: Mapping[str, Any], changed: Mapping[str, Any], sent: Iterable[str], username: str, moment: int
) -> list[Json]:
    """One entry for each tracked property of `sent` that differs; none when the update sets status draft."""
    names = set(sent)
    if "status" in names and changed.get("status") == DRAFT:
        return []
    entries: list[Json] = []
    for key in TRACKED:
        if key in names and not _same(key, stored.get(key), changed.get(key)):
            entry: Json = {"type": "change", "username": username, "date": moment, "key": key}
            if key not in _VALUELESS:
                entry["value"] = changed.get(key)
            entries.append(entry)
    return entries


def collapsed(history: Sequence[Json]) -> list[Json]:
    """`history` where of one person's changes of one property in one clock minute only the last is left."""
    last: dict[tuple[Any, ...], int] = {}
    for place, entry in enumerate(history):
        if (key := _minute(entry)) is not None:
            last[key] = place
    return [
        entry for place, entry in enumerate(history) if (key := _minute(entry)) is None or last[key] == place
    ]


def _minute(entry: Mapping[str, Any]) -> tuple[Any, ...] | None:
    date = entry.get("date")
    if entry.get("type") != "change" or entry.get("key") not in TRACKED or not isinstance(date, int | float):
        return None
    return entry["key"], entry.get("username"), int(date // 60)


def _same(key: str, old: Any, new: Any) -> bool:
    if key in _LISTS:
        return sorted(map(str, old or ())) == sorted(map(str, new or ()))
    return (old or None) == (new or None)
