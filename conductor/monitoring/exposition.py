"""Monitors of the fleet in Prometheus' text format.

Written here and not by prometheus_client: a thousand servers have fifteen thousand series, which its renderer needs
a quarter of a second for, and these lines are of the simplest kind there is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from conductor.monitoring.monitors import Monitor, Reading

MOST_SERIES = 100_000
"""Lines of one answer; what does not fit is counted in `opsorbit_dropped_monitor_series`."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def exposition(
    monitors: Sequence[Monitor],
    servers: Mapping[str, Mapping[str, Any]],
    readings: Mapping[str, Reading],
    most: int = MOST_SERIES,
) -> str:
    """One gauge for each monitor, `opsorbit_monitor_ID{server,hostname,groups}`: its absolute value.

    Of counters (delta monitors) this is the counter, for `rate()`. `opsorbit_sample_time_seconds` tells
    of when the values are.
    """
    labels = {id: labels_of(id, servers[id]) for id in readings if id in servers}
    lines: list[str] = []
    room, dropped = most, 0
    for monitor in monitors:
        values = [(id, value) for id in labels if (value := readings[id].values.get(monitor.id)) is not None]
        kept = values[: max(room, 0)]
        room -= len(kept)
        dropped += len(values) - len(kept)
        name = f"opsorbit_monitor_{monitor.id}"
        _add(lines, name, ((labels[id], value) for id, value in kept))
    name = "opsorbit_sample_time_seconds"
    _add(lines, name, ((labels[id], readings[id].date) for id in list(labels)[: max(room, 0)]))
    _add(lines, "opsorbit_dropped_monitor_series", [("", dropped)])
    return "".join(lines)


def labels_of(server_id: str, server: Mapping[str, Any]) -> str:
    groups = ",".join(map(str, server.get("groups") or ()))
    names = {"server": server_id, "hostname": server.get("hostname"), "groups": groups}
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in names.items()) + "}"


def _add(lines: list[str], name: str, values: Iterable[tuple[str, Any]]) -> None:
    lines.append(f"# TYPE {name} gauge\n")
    lines.extend(f"{name}{labels} {value}\n" for labels, value in values)


def _escaped(text: Any) -> str:
    return str(text or "").translate(_ESCAPES)
