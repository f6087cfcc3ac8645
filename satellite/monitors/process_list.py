"""The process table of the minute sample (contract monitor_data.md §3.8), CPU over the last interval."""

import grp
import os
import pwd
from functools import lru_cache
from typing import Any

from satellite.processes import TICKS_PER_SECOND, Process, command_of, table
from shared.clock import monotonic

_STATES = {
    "R": "Running", "S": "Sleeping", "D": "Sleeping", "I": "Idle", "Z": "Zombie", "T": "Stopped",
    "t": "Stopped", "W": "Paged", "X": "Dead",
}  # fmt: skip
_MOST_ROWS = 2000
"""Beyond them the rows of what does and holds least are left out: a fork bomb must not be sent each minute."""
_CLASSES = {0: "Other", 1: "FIFO", 2: "RR", 3: "Batch", 4: "ISO", 5: "Idle", 6: "Deadline"}


class ProcessList:
    def __init__(self) -> None:
        self._before: dict[tuple[int, int], int] = {}
        self._at = 0.0

    def sample(self, uptime: float, now: float, memory: int, jobs: dict[int, str]) -> dict[str, Any]:
        """`jobs`: session leader → job ID. CPU is percent of the whole machine."""
        processes = table()
        at = monotonic()
        elapsed, self._at = at - self._at, at
        before = self._before
        self._before = {(p.pid, p.start): p.ticks for p in processes.values()}
        cores = os.cpu_count() or 1
        counts: dict[str, Any] = {"all": len(processes)}
        rows = []
        for process in processes.values():
            state = _STATES.get(process.state, "Unknown")
            counts[state.lower()] = counts.get(state.lower(), 0) + 1
            age = max(uptime - process.start / TICKS_PER_SECOND, 0.01)
            old = before.get((process.pid, process.start))
            used = process.ticks - (old or 0)
            span = elapsed if old is not None else min(age, elapsed) if before else age
            percent = 100 * used / TICKS_PER_SECOND / max(span, 0.01) / cores
            rows.append(_row(process, state, age, now, percent, memory))
            if process.session in jobs:
                rows[-1]["job"] = jobs[process.session]
        kept = _most(rows, _MOST_ROWS)
        return counts | {"list": kept} | ({"omitted": len(rows) - len(kept)} if len(kept) < len(rows) else {})


def _most(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Jobs' processes first, then what uses most CPU, then most memory; in the order of the table."""
    if len(rows) <= most:
        return rows
    ranked = sorted(rows, key=lambda row: ("job" in row, row["cpu"], row["memRss"]), reverse=True)[:most]
    wanted = {row["pid"] for row in ranked}
    return [row for row in rows if row["pid"] in wanted]


def _row(process: Process, state: str, age: float, now: float, percent: float, memory: int) -> dict[str, Any]:
    try:
        status = os.stat(f"/proc/{process.pid}")
        user, group = _user(status.st_uid), _group(status.st_gid)
    except OSError:
        user = group = ""
    return {
        "pid": process.pid,
        "parentPid": process.parent,
        "user": user,
        "group": group,
        "cpu": round(percent, 2),
        "mem": round(100 * process.rss / memory, 2) if memory else 0,
        "memRss": process.rss,
        "memVsz": process.virtual,
        "age": int(age),
        "started": int(now - age),
        "state": state,
        "priority": process.priority,
        "nice": process.nice,
        "tty": "?" if not process.tty else str(process.tty),
        "class": _class(process.pid),
        "threads": process.threads,
        "time": process.ticks // TICKS_PER_SECOND,
        "command": command_of(process.pid, process.name),
    }


def _class(pid: int) -> str:
    try:
        return _CLASSES.get(os.sched_getscheduler(pid), "Unknown")
    except (OSError, AttributeError):
        return "Unknown"


@lru_cache(maxsize=256)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@lru_cache(maxsize=256)
def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
