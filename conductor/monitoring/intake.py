"""What a minute sample may bring: lists cut to a bound, JSON checked and measured; what its server's record shows."""

from collections.abc import Mapping
from typing import Any

import msgspec

Json = dict[str, Any]

MOST_BYTES = 4 * 1024 * 1024
"""JSON of one sample. A busy host's has some hundred KB."""
MOST_PROCESSES = 5_000
MOST_CONNECTIONS = 5_000
_LIVE_INFO = ("cpu", "memory", "process")

_ROOM = 100
"""Levels kept free around a sample: answers nest it, and are encoded deeper in the stack."""

_to_json = msgspec.json.Encoder().encode


class BadSample(ValueError):
    """It cannot be stored; the text says why."""


def cut(data: Json) -> list[str]:
    """Shorten the lists that can be long, in place; return the names of those that were."""
    shortened = []
    processes = data.get("processes")
    if isinstance(processes, dict):
        listed = processes.get("list")
        if isinstance(listed, list) and len(listed) > MOST_PROCESSES:
            processes["list"] = sorted(listed, key=_importance, reverse=True)[:MOST_PROCESSES]
            shortened.append("processes")
    connections = data.get("conns")
    if isinstance(connections, list) and len(connections) > MOST_CONNECTIONS:
        del connections[MOST_CONNECTIONS:]
        shortened.append("conns")
    return shortened


def encoded(data: Mapping[str, Any]) -> bytes:
    """The JSON of a sample's data. Raises BadSample for what cannot be written, nested or large as it is."""
    nested: Any = data
    for _ in range(_ROOM):
        nested = [nested]
    try:
        text = _to_json(nested)[_ROOM:-_ROOM]
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise BadSample(f"it is no JSON: {type(error).__name__}") from None
    if len(text) > MOST_BYTES:
        raise BadSample(f"it has {len(text)} bytes of at most {MOST_BYTES}")
    return text


def refresh(server: Json, data: Json) -> None:
    """The live part of a server's record, which placement and lists read."""
    info = server["info"] = dict(server.get("info") or {})
    for part in _LIVE_INFO:
        found = data.get(part)
        if isinstance(found, dict) and found:
            combo = (info.get("cpu") or {}).get("combo", "")
            info[part] = {**found, "combo": combo} if part == "cpu" else found
    if not data.get("dummy"):
        info["monitors"], info["deltas"] = data["monitors"], data["deltas"]


def fired(alerts: Any) -> list[str]:
    """The definitions of a host record's `new_alerts`."""
    return [str(id) for id in alerts] if isinstance(alerts, dict | list) else []


def _importance(process: Any) -> tuple[bool, float]:
    """Processes of jobs first, then the busiest."""
    if not isinstance(process, dict):
        return False, -1.0
    load = process.get("cpu")
    return "job" in process, load if isinstance(load, int | float) else -1.0
