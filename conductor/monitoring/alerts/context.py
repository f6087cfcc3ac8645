"""What an alert's expression may read beside the sample: stretches of time, quick monitors, the fleet (docs/alerts.md).

    last5.load_avg.avg     of the last five minutes; also min, max, first, last, change, count; last15, last60
    quick._qm_cpu_usage.max    of the quick samples of the last minute
    fleet.main.load_avg.sum    of the last values of a group's servers that are online

Kept in memory, and only while an alert reads one of these names; after a start it fills up again.
"""

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from shared.clock import Seconds

Json = dict[str, Any]
Numbers = Mapping[str, float]

MINUTES = {"last5": 5, "last15": 15, "last60": 60}
QUICK, FLEET = "quick", "fleet"
NAMES = frozenset((*MINUTES, QUICK, FLEET))

_KEPT = 60
_FLEET_SECONDS: Seconds = 10.0
"""For which the sums over a group are good enough: a minute of a fleet must not add it up for each server."""


class Recent:
    """The monitors of each server in the last hour."""

    def __init__(self) -> None:
        self._rows: dict[str, deque[tuple[int, tuple[str, ...], array[float]]]] = {}
        self._keys: dict[tuple[str, ...], tuple[str, ...]] = {}
        """One tuple of names for all servers that have the same ones."""

    def add(self, server_id: str, date: int, monitors: Numbers) -> None:
        keys = tuple(key for key, value in monitors.items() if isinstance(value, int | float))
        keys = self._keys.setdefault(keys, keys)
        rows = self._rows.setdefault(server_id, deque(maxlen=_KEPT))
        rows.append((date, keys, array("d", (monitors[key] for key in keys))))

    def over(self, server_id: str, now: int, minutes: int) -> Json:
        """By monitor, of the last so many minutes; what has no value in them is not there."""
        since = now - 60 * minutes
        columns: dict[str, list[float]] = {}
        for date, keys, values in self._rows.get(server_id, ()):
            if date > since:
                for key, value in zip(keys, values, strict=True):
                    columns.setdefault(key, []).append(value)
        return {key: summed(values) for key, values in columns.items()}

    def last(self, server_id: str) -> Iterator[tuple[str, float]]:
        rows = self._rows.get(server_id)
        if rows:
            _, keys, values = rows[-1]
            yield from zip(keys, values, strict=True)

    def forget(self, server_id: str) -> None:
        self._rows.pop(server_id, None)

    def clear(self) -> None:
        self._rows.clear()
        self._keys.clear()


class Contexts:
    """`online`: the servers that are; `quick`: the quick rows of one of them."""

    def __init__(
        self,
        recent: Recent,
        online: Callable[[], Mapping[str, Mapping[str, Any]]],
        quick: Callable[[str], Sequence[Mapping[str, Any]]],
    ) -> None:
        self._recent = recent
        self._online = online
        self._quick = quick
        self._fleet: tuple[float, Json] = (float("-inf"), {})

    def of(self, server_id: str, names: Iterable[str], now: float) -> Json:
        """The values of these names; those that are none of ours are left out."""
        made: Json = {}
        for name in names:
            if name in MINUTES:
                made[name] = self._recent.over(server_id, int(now), MINUTES[name])
            elif name == QUICK:
                made[name] = quick_of(self._quick(server_id))
            elif name == FLEET:
                made[name] = self._of_fleet(now)
        return made

    def _of_fleet(self, now: float) -> Json:
        at, found = self._fleet
        if not 0 <= now - at < _FLEET_SECONDS:
            columns: dict[str, dict[str, list[float]]] = {}
            for server_id, server in self._online().items():
                values = list(self._recent.last(server_id))
                for group in server.get("groups") or ():
                    own = columns.setdefault(str(group), {})
                    for key, value in values:
                        own.setdefault(key, []).append(value)
            found = {
                group: {key: summed(values) for key, values in own.items()} for group, own in columns.items()
            }
            self._fleet = now, found
        return found

    def forget(self) -> None:
        self._recent.clear()
        self._fleet = (float("-inf"), {})


def quick_of(rows: Sequence[Mapping[str, Any]]) -> Json:
    columns: dict[str, list[float]] = {}
    for row in rows:
        for key, value in row.items():
            if key != "date" and isinstance(value, int | float):
                columns.setdefault(key, []).append(value)
    return {key: summed(values) for key, values in columns.items()}


def summed(values: Sequence[float]) -> Json:
    """Of at least one value, oldest first."""
    total = sum(values)
    return {
        "avg": total / len(values),
        "min": min(values),
        "max": max(values),
        "sum": total,
        "count": len(values),
        "first": values[0],
        "last": values[-1],
        "change": values[-1] - values[0],
    }
