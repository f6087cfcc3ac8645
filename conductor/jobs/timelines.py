"""A job's processes over time, and what it moved on disk and network (contract jobs.md §11.4, §16). Pure.

`second` keeps the last five minutes, slim; `minute` the last day, whole. They live in memory while the job runs
and are written with its record: a graph that begins anew after a take-over does no harm, and writing it
each second would. The sums, which are small, are kept with the job.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from conductor.jobs import limits

MOST_SECONDS = 300
MOST_MINUTES = 1440
_SLIM = ("cpu", "memRss", "command", "disk", "net")

Json = dict[str, Any]


class Sampled(NamedTuple):
    timelines: Json
    sums: Json
    """`disk` and `net` as `{total, count}`, where a minute has been added; else empty."""


def nothing_moved() -> Json:
    """The sums of a job that was never sampled."""
    return {"disk": {"total": 0, "count": 0}, "net": {"total": 0, "count": 0}}


def sampled(
    timelines: Any, sums: Mapping[str, Any], procs: Mapping[str, Any], conns: Any, now: float
) -> Sampled:
    """The timelines with one more sample; `sums` are the job's so far."""
    known = timelines if isinstance(timelines, dict) else {}
    second, minute = _rows(known.get("second")), _rows(known.get("minute"))
    slim = {
        pid: {key: process[key] for key in _SLIM if key in process}
        for pid, process in procs.items()
        if isinstance(process, dict)
    }
    second.append({"epoch": now, "procs": slim})
    del second[:-MOST_SECONDS]
    before = minute[-1] if minute else None
    if before is not None and int(before["epoch"]) // 60 == int(now) // 60:
        return Sampled({"second": second, "minute": minute}, {})
    row = {"epoch": now, "procs": dict(procs), "conns": conns if isinstance(conns, list) else []}
    minute.append(row)
    del minute[:-MOST_MINUTES]
    return Sampled({"second": second, "minute": minute}, _added(sums, before, row))


def _added(sums: Mapping[str, Any], before: Json | None, row: Json) -> Json:
    """Disk: what each process has moved since the minute before. Network: what its connections told."""
    earlier = before["procs"] if before and isinstance(before.get("procs"), dict) else {}
    disk = sum(
        max(limits.number(process.get("disk")) - limits.number(earlier[pid].get("disk")), 0.0)
        for pid, process in row["procs"].items()
        if isinstance(process, dict) and isinstance(earlier.get(pid), dict)
    )
    net = sum(limits.number(conn.get("delta")) for conn in row["conns"] if isinstance(conn, dict))
    span = row["epoch"] - before["epoch"] if before else 0
    return {"disk": _plus(sums.get("disk"), disk, span), "net": _plus(sums.get("net"), net, 1)}


def _plus(sum_so_far: Any, amount: float, count: float) -> Json:
    known = sum_so_far if isinstance(sum_so_far, dict) else {}
    return {
        "total": int(limits.number(known.get("total")) + amount),
        "count": int(limits.number(known.get("count")) + count),
    }


def _rows(value: Any) -> list[Json]:
    return value if isinstance(value, list) else []
