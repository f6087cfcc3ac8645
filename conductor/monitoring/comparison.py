"""What has changed between two snapshots of a server, or of two servers. Pure (snapshots.md §6.7)."""

from collections.abc import Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Doc = Mapping[str, Any]

MOST_PROCESSES = 200
"""Of each list."""
_FACTS = ("os", "cpu")
_SHOWN = ("pid", "user", "command", "cpu", "memRss", "started")
_SAME_START = 2
"""Seconds by which the start of one process may be told differently."""


def compared(before: Doc, after: Doc) -> Json:
    """Numbers as `{before, after, change}`, and only those that differ; what came and what went."""
    old, new = _object(before, "data"), _object(after, "data")
    return {
        "seconds": _number(after.get("date")) - _number(before.get("date")),
        "monitors": _numbers(_object(old, "monitors"), _object(new, "monitors")),
        "memory": _numbers(_object(old, "memory"), _object(new, "memory")),
        "mounts": _mounts(_object(old, "mounts"), _object(new, "mounts")),
        "processes": _processes(
            _listed(_object(old, "processes"), "list"), _listed(_object(new, "processes"), "list")
        ),
        "connections": _numbers(_states(_listed(old, "conns")), _states(_listed(new, "conns"))),
        "facts": {
            name: {"before": old_one.get(name), "after": new_one.get(name)}
            for part in _FACTS
            for old_one, new_one in [(_texts(part, old), _texts(part, new))]
            for name in sorted(old_one.keys() | new_one.keys())
            if old_one.get(name) != new_one.get(name)
        },
    }


def _numbers(old: Doc, new: Doc) -> Json:
    found = {}
    for key in sorted({*old, *new}, key=str):
        was, now = old.get(key, 0), new.get(key, 0)
        if _is_number(was) and _is_number(now) and was != now:
            found[str(key)] = {"before": was, "after": now, "change": now - was}
    return found


def _mounts(old: Doc, new: Doc) -> Json:
    both = old.keys() & new.keys()
    used = {key: _numbers(_only(old[key]), _only(new[key])) for key in sorted(both)}
    return {
        "changed": {key: changes for key, changes in used.items() if changes},
        "gone": sorted(map(str, old.keys() - both)),
        "new": sorted(map(str, new.keys() - both)),
    }


def _only(mount: Any) -> Json:
    return {key: mount[key] for key in ("used", "use") if key in mount} if isinstance(mount, dict) else {}


def _processes(old: Iterable[Doc], new: Iterable[Doc]) -> Json:
    was = {one.get("pid"): one for one in old}
    is_ = {one.get("pid"): one for one in new}
    same = {pid for pid in was.keys() & is_.keys() if _same(was[pid], is_[pid])}
    grown = sorted(
        (
            {**_shown(is_[pid]), "change": _number(is_[pid].get("memRss")) - _number(was[pid].get("memRss"))}
            for pid in same
        ),
        key=lambda one: -abs(one["change"]),
    )
    return {
        "ended": [_shown(one) for pid, one in was.items() if pid not in same][:MOST_PROCESSES],
        "started": [_shown(one) for pid, one in is_.items() if pid not in same][:MOST_PROCESSES],
        "memory": [one for one in grown if one["change"]][:MOST_PROCESSES],
    }


def _same(one: Doc, other: Doc) -> bool:
    apart = abs(_number(one.get("started")) - _number(other.get("started")))
    return one.get("command") == other.get("command") and apart <= _SAME_START


def _shown(process: Doc) -> Json:
    return {key: process[key] for key in _SHOWN if key in process}


def _states(connections: Iterable[Doc]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in connections:
        state = str(one.get("state"))
        counts[state] = counts.get(state, 0) + 1
    return counts


def _texts(part: str, data: Doc) -> Json:
    return {f"{part}.{key}": value for key, value in _object(data, part).items() if isinstance(value, str)}


def _object(holder: Doc, key: str) -> Json:
    value = holder.get(key)
    return value if isinstance(value, dict) else {}


def _listed(holder: Doc, key: str) -> list[Json]:
    value = holder.get(key)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _number(value: Any) -> float:
    return value if _is_number(value) else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
