"""CPU and memory of a running job, once a second (contract satellite_agent.md §6).

CPU is percent of one core over the last interval, that of a single process in `procs` percent of the whole
machine; memory is the sum of resident bytes of the job's tree.
"""

import os
import pwd
from functools import lru_cache
from typing import Any

from satellite import connections
from satellite.connections import Connection
from satellite.processes import HAS_PROC, TICKS_PER_SECOND, Process, command_of, owner, tree
from shared.clock import Seconds, now

_STATES = {
    "R": "Running", "S": "Sleeping", "D": "Sleeping", "I": "Idle", "Z": "Zombie", "T": "Stopped",
    "t": "Stopped", "X": "Dead",
}  # fmt: skip


class Series:
    """`{min, max, total, count, current}` of one figure."""

    def __init__(self) -> None:
        self._values: dict[str, float] = {}

    def add(self, value: float) -> None:
        values = self._values
        if values:
            values["min"] = min(values["min"], value)
            values["max"] = max(values["max"], value)
            values["total"] = round(values["total"] + value, 2)
            values["count"] += 1
            values["current"] = value
        else:
            values |= {"min": value, "max": value, "total": value, "count": 1, "current": value}

    def document(self) -> dict[str, float]:
        return dict(self._values)


class Usage:
    def __init__(self) -> None:
        self.cpu = Series()
        self.mem = Series()
        self._ticks: dict[int, tuple[int, int]] = {}
        """pid → (start, ticks) at the last sample; the start tells a reused PID."""
        self._commands: dict[tuple[int, int], str] = {}
        self._total = 0
        """CPU time of the whole tree so far. That of an ended child has moved to its parent, so the sum
        loses nothing between two samples, however short the children live."""
        self._sampled = 0.0
        self._sockets: dict[int, tuple[int, int]] = {}
        """inode → (bytes at the last sample, when it was first seen)"""
        self._users: dict[tuple[int, int], str] = {}

    @property
    def latest(self) -> dict[str, Any]:
        """`cpu` and `mem` of the last sample."""
        return {"cpu": self.cpu.document(), "mem": self.mem.document()}

    def sample(
        self,
        table: dict[int, Process],
        root: int,
        at: Seconds,
        uptime: Seconds,
        sockets: connections.Table | None = None,
    ) -> dict[str, Any]:
        """`cpu`, `mem`, `procs` and `conns` for an update; empty when the tree is gone. `at` is monotonic."""
        members = tree(table, root)
        if not members:
            return {}
        elapsed = at - self._sampled
        first = not self._ticks
        before, self._ticks = self._ticks, {p.pid: (p.start, p.ticks) for p in members}
        self._sampled = at
        procs: dict[str, Any] = {}
        total = sum(process.ticks + process.waited for process in members)
        span = max(uptime - members[0].start / TICKS_PER_SECOND if first else elapsed, 0.01)
        percent_of_all = 100 * max(total - self._total, 0) / TICKS_PER_SECOND / span
        self._total = total
        commands, users = {}, {}
        conns, net, counts = self._connections(members, sockets)
        wall, cores = now(), os.cpu_count() or 1
        for process in members:
            start, ticks = before.get(process.pid, (process.start, 0))
            used = process.ticks - ticks if start == process.start else process.ticks
            age = max(uptime - process.start / TICKS_PER_SECOND, 0.01)
            percent = 100 * used / TICKS_PER_SECOND / (age if first else max(elapsed, 0.01))
            identity = process.pid, process.start
            # A process is first seen as a copy of its parent, before it becomes its program.
            known = self._commands.get(identity) if age > 2 else None
            commands[identity] = command = known or command_of(process.pid, process.name)
            users[identity] = user = self._users.get(identity) or _user(owner(process.pid))
            procs[str(process.pid)] = {
                "pid": process.pid,
                "parentPid": process.parent,
                "user": user,
                "cpu": round(percent / cores, 2),
                "memRss": process.rss,
                "memVsz": process.virtual,
                "age": int(age),
                "started": int(wall - age),
                "state": _STATES.get(process.state, "Unknown"),
                "threads": process.threads,
                "command": command,
                "disk": _bytes_moved(process.pid),
                "net": net.get(process.pid, 0),
                "conns": counts.get(process.pid, 0),
            }
        self._commands, self._users = commands, users
        self.cpu.add(round(percent_of_all, 2))
        self.mem.add(sum(process.rss for process in members))
        figures: dict[str, Any] = {**self.latest, "procs": procs}
        return figures if conns is None else {**figures, "conns": conns}

    def _connections(
        self, members: list[Process], sockets: connections.Table | None
    ) -> tuple[list[dict[str, Any]] | None, dict[int, int], dict[int, int]]:
        """`conns`, and by process the bytes since the last sample and the number of sockets."""
        found = sockets.of(p.pid for p in members) if sockets is not None else None
        if found is None:
            return None, {}, {}
        wall = int(now())
        before, self._sockets = self._sockets, {}
        rows, net, counts = [], dict[int, int](), dict[int, int]()
        for one in found:
            moved, since = before.get(one.inode, (0, wall))
            self._sockets[one.inode] = one.bytes, since
            delta = max(one.bytes - moved, 0)
            net[one.pid] = net.get(one.pid, 0) + delta
            counts[one.pid] = counts.get(one.pid, 0) + 1
            rows.append(_row(one, delta, since))
        return rows, net, counts

    def totals(self) -> dict[str, Any]:
        """`cpu` and `mem` for the result; empty for a job too short to be sampled."""
        cpu = self.cpu.document()
        return {"cpu": cpu, "mem": self.mem.document()} if cpu else {}


def _bytes_moved(pid: int) -> int:
    if not HAS_PROC:
        return 0
    try:
        with open(f"/proc/{pid}/io") as file:
            lines = dict(line.split(": ") for line in file.read().splitlines())
        return int(lines["rchar"]) + int(lines["wchar"])
    except (OSError, ValueError, KeyError):
        return 0


def _row(connection: Connection, delta: int, since: int) -> dict[str, Any]:
    return {
        "type": connection.type,
        "state": connection.state,
        "local_addr": connection.local,
        "remote_addr": connection.remote,
        "pid": connection.pid,
        "bytes": connection.bytes,
        "delta": delta,
        "started": since,
    }


@lru_cache(maxsize=256)
def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid) if uid >= 0 else ""
