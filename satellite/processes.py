"""The host's process table, read once for all who ask: usage of jobs, kill policies, samples.

On Linux one line of `/proc/PID/stat` holds everything; psutil would open several files per process. Elsewhere
psutil stands in.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

HAS_PROC = os.path.exists("/proc/self/stat")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process. Times are in clock ticks; `start` counts from boot."""

    pid: int
    parent: int
    group: int
    session: int
    state: str
    ticks: int
    waited: int
    """CPU time of children that ended and were waited for, with theirs."""
    start: int
    rss: int
    virtual: int
    threads: int
    nice: int
    priority: int
    tty: int
    name: str


def read(pid: int) -> Process | None:
    """None when there is no such process (any more)."""
    if not HAS_PROC:
        return _read_with_psutil(pid)
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        line = os.read(descriptor, 1024)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    # The name in parentheses may hold anything, parentheses and spaces included.
    opening, closing = line.find(b"("), line.rfind(b")")
    fields = line[closing + 2 :].split()
    return Process(
        pid=pid,
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        state=fields[0].decode(),
        ticks=int(fields[11]) + int(fields[12]),
        waited=int(fields[13]) + int(fields[14]),
        start=int(fields[19]),
        rss=int(fields[21]) * PAGE_BYTES,
        virtual=int(fields[20]),
        threads=int(fields[17]),
        nice=int(fields[16]),
        priority=int(fields[15]),
        tty=int(fields[4]),
        name=line[opening + 1 : closing].decode(errors="replace"),
    )


def table() -> dict[int, Process]:
    """Every process of the host."""
    found = map(read, pids())
    return {process.pid: process for process in found if process is not None}


def uptime() -> float:
    """Seconds since boot, on the clock that the start times of processes count by."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def age(pid: int) -> float:
    """Seconds since the process started; 0 when it is gone."""
    process = read(pid) if HAS_PROC else None
    return max(uptime() - process.start / TICKS_PER_SECOND, 0.0) if process else 0.0


def tree(processes: dict[int, Process], root: int) -> list[Process]:
    """`root` and its descendants, and whoever else is in its session or group, root first."""
    children: dict[int, list[int]] = {}
    for process in processes.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: dict[int, Process] = {}
    waiting = [root] + [p.pid for p in processes.values() if root in (p.session, p.group)]
    while waiting:
        pid = waiting.pop(0)
        if pid not in processes or pid in found:
            continue
        found[pid] = processes[pid]
        waiting += children.get(pid, ())
    return list(found.values())


def children(parent: int) -> list[int]:
    """PIDs of the direct children, oldest first."""
    try:
        with open(f"/proc/{parent}/task/{parent}/children") as file:
            return [int(pid) for pid in file.read().split()]
    except (OSError, ValueError):
        found = [process for process in table().values() if process.parent == parent]
        return [process.pid for process in sorted(found, key=lambda process: process.start)]


def group_lives(group: int) -> bool:
    """Whether anybody, even a zombie, is in the process group."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def anyone_has_open(pids: Iterable[int], descriptors: Iterable[int]) -> bool:
    """Whether one of `pids` has a file of ours (given by our descriptors) open. False where unknowable."""
    wanted = {(status.st_dev, status.st_ino) for status in map(os.fstat, descriptors)}
    return any(file in wanted for pid in pids for file in _open_files(pid))


def marked(name: str, value: str) -> list[int]:
    """Processes that were started with this environment variable, as far as we may look."""
    wanted = f"{name}={value}".encode()
    found = []
    for pid in pids() if HAS_PROC else ():
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                if wanted in file.read().split(b"\0"):
                    found.append(pid)
        except OSError:
            continue
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def owner(pid: int) -> int:
    """The user it runs as; -1 when it is gone or cannot be asked."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return -1


def command_of(pid: int, name: str) -> str:
    """The command line; for a kernel thread its name in brackets."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            line = file.read(4096).rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return name
    return " ".join(line.split()) if line else f"[{name}]"


def _open_files(pid: int) -> Iterator[tuple[int, int]]:
    try:
        names = os.listdir(f"/proc/{pid}/fd")
    except OSError:
        return
    for name in names:
        try:
            status = os.stat(f"/proc/{pid}/fd/{name}")
        except OSError:
            continue
        yield status.st_dev, status.st_ino


def pids() -> list[int]:
    """Of every process of the host."""
    if HAS_PROC:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return psutil.pids()


def _read_with_psutil(pid: int) -> Process | None:
    import psutil

    try:
        process = psutil.Process(pid)
        with process.oneshot():
            memory, times = process.memory_info(), process.cpu_times()
            return Process(
                pid=pid,
                parent=process.ppid(),
                group=os.getpgid(pid),
                session=os.getsid(pid),
                state={"running": "R", "zombie": "Z", "stopped": "T"}.get(process.status(), "S"),
                ticks=int((times.user + times.system) * TICKS_PER_SECOND),
                waited=int((times.children_user + times.children_system) * TICKS_PER_SECOND),
                start=int((process.create_time() - psutil.boot_time()) * TICKS_PER_SECOND),
                rss=memory.rss,
                virtual=memory.vms,
                threads=process.num_threads(),
                nice=process.nice(),
                priority=0,
                tty=0,
                name=process.name(),
            )
    except (psutil.Error, OSError):
        return None
