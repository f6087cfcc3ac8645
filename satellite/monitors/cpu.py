"""CPU load (contract monitor_data.md §3.4; `steal` is ours). Percent of the time since the last reading."""

import os
from typing import Any

_COLUMNS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
Times = list[int]


class CpuLoad:
    """Keeps its own previous reading: quick and minute samples have one each."""

    def __init__(self) -> None:
        self._before: list[Times] = []

    def sample(self) -> dict[str, Any]:
        """`avgLoad`, `currentLoad`, `totals`, `cpus`. The first call sees an idle machine."""
        after = _read_times()
        before = self._before if len(self._before) == len(after) else after
        self._before = after
        totals, *cpus = [shares(old, new) for old, new in zip(before, after, strict=True)] or [shares([], [])]
        load = os.getloadavg()[0]
        return {"avgLoad": load, "currentLoad": totals["active"], "totals": totals, "cpus": cpus}


def shares(before: Times, after: Times) -> dict[str, float]:
    """Percent of each kind of time between two readings; `active` is all that is not idle."""
    deltas = [max(new - old, 0) for old, new in zip(before, after, strict=False)]
    total = sum(deltas)
    if not total:
        return {**dict.fromkeys(_COLUMNS, 0.0), "idle": 100.0, "active": 0.0}
    result = {name: int(10_000 * delta / total) / 100 for name, delta in zip(_COLUMNS, deltas, strict=False)}
    result["active"] = round(100 - result["idle"], 2)
    return result


def _read_times() -> list[Times]:
    """All CPUs together, then each. Columns as in /proc/stat."""
    try:
        with open("/proc/stat") as file:
            return [[int(field) for field in line.split()[1:]] for line in file if line.startswith("cpu")]
    except OSError:
        import psutil

        every = [psutil.cpu_times(), *psutil.cpu_times(percpu=True)]
        return [[int(getattr(times, name, 0) * 100) for name in _COLUMNS] for times in every]
