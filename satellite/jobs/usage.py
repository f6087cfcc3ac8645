"""CPU and memory of a running job, once a second (contract satellite_agent.md §6).

CPU is percent of one core over the last interval; memory is the sum of resident bytes of the job's tree.
"""

from typing import Any

from satellite.processes import HAS_PROC, TICKS_PER_SECOND, Process, command_of, tree
from shared.clock import Seconds

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

    def sample(self, table: dict[int, Process], root: int, at: Seconds, uptime: Seconds) -> dict[str, Any]:
        """`cpu`, `mem` and `procs` for an update; empty when the tree is gone. `at` is monotonic."""
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
        commands = {}
        for process in members:
            start, ticks = before.get(process.pid, (process.start, 0))
            used = process.ticks - ticks if start == process.start else process.ticks
            age = max(uptime - process.start / TICKS_PER_SECOND, 0.01)
            percent = 100 * used / TICKS_PER_SECOND / (age if first else max(elapsed, 0.01))
            identity = process.pid, process.start
            # A process is first seen as a copy of its parent, before it becomes its program.
            known = self._commands.get(identity) if age > 2 else None
            commands[identity] = command = known or command_of(process.pid, process.name)
            procs[str(process.pid)] = {
                "pid": process.pid,
                "parentPid": process.parent,
                "cpu": round(percent, 2),
                "memRss": process.rss,
                "memVsz": process.virtual,
                "age": int(age),
                "state": _STATES.get(process.state, "Unknown"),
                "threads": process.threads,
                "command": command,
                "disk": _bytes_moved(process.pid),
                "net": 0,
                "conns": 0,
            }
        self._commands = commands
        self.cpu.add(round(percent_of_all, 2))
        self.mem.add(sum(process.rss for process in members))
        return {"cpu": self.cpu.document(), "mem": self.mem.document(), "procs": procs}

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
