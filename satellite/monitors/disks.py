"""Mounted file systems and disk traffic (contract monitor_data.md §3.5, §3.6, §4)."""

import os
import re
from collections.abc import Mapping
from typing import Any

from shared.clock import monotonic

_SECTOR_BYTES = 512
_SHORTEST_INTERVAL = 0.5
_PARTITION = re.compile(r"(?:(?:sd|vd|xvd|hd)[a-z]+\d+|(?:nvme\d+n\d+|mmcblk\d+)p\d+)$")
_NO_DISK = ("dm-", "md", "loop", "ram", "zram", "sr", "fd")
_MOST_DISKS = 64
_NAMES = ("rIO", "wIO", "rx", "wx", "rWaitTime", "wWaitTime", "tWaitTime")
_NO_STORAGE = (
    "rootfs", "unionfs", "squashfs", "cramfs", "initrd", "initramfs", "devtmpfs", "tmpfs", "udev", "devfs",
    "specfs", "appimaged",
)  # fmt: skip
_NOT_WORD = re.compile(r"\W+", re.ASCII)

Counters = dict[str, int]


def disk_counters() -> Counters:
    """Sums over whole disks since boot: operations, bytes, milliseconds."""
    disks = disks_counters()
    return _counters_of_psutil() if disks is None else _summed(disks)


def disks_counters(path: str = "/proc/diskstats") -> dict[str, Counters] | None:
    """As `disk_counters`, of each whole disk. None where the kernel does not tell it there."""
    try:
        with open(path) as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    disks: dict[str, Counters] = {}
    for line in lines:
        fields = line.split()
        name = fields[2]
        if name.startswith(_NO_DISK) or _PARTITION.match(name):
            continue
        disks[name] = {
            "rIO": int(fields[3]),
            "rx": int(fields[5]) * _SECTOR_BYTES,
            "rWaitTime": int(fields[6]),
            "wIO": int(fields[7]),
            "wx": int(fields[9]) * _SECTOR_BYTES,
            "wWaitTime": int(fields[10]),
            "tWaitTime": int(fields[13]),
        }
    return disks


def _summed(disks: Mapping[str, Counters]) -> Counters:
    return {name: sum(disk[name] for disk in disks.values()) for name in _NAMES}


class DiskTraffic:
    """`stats.io`, `stats.fs` and, ours, `stats.disks`: counters, and rates since the previous minute sample."""

    def __init__(self) -> None:
        self._before: Counters | None = None
        self._disks_before: dict[str, Counters] = {}
        self._at = 0.0
        self._last: tuple[dict[str, Any], dict[str, Any], dict[str, Any]] | None = None

    def sample(self) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        at = monotonic()
        elapsed = at - self._at
        if self._last is not None and elapsed < _SHORTEST_INTERVAL:
            return self._last
        found = disks_counters()
        sums = _counters_of_psutil() if found is None else _summed(found)
        before, self._before, self._at = self._before, sums, at
        disks = found or {}
        disks_before, self._disks_before = self._disks_before, disks
        io: dict[str, Any] = {"rIO": sums["rIO"], "wIO": sums["wIO"], "tIO": sums["rIO"] + sums["wIO"]}
        fs: dict[str, Any] = {"rx": sums["rx"], "wx": sums["wx"], "tx": sums["rx"] + sums["wx"]}
        deltas = {key: max(value - before[key], 0) for key, value in sums.items()} if before else {}
        for kind in ("r", "w", "t"):
            io[f"{kind}WaitTime"] = sums[f"{kind}WaitTime"]
            if deltas:
                wait = deltas[f"{kind}WaitTime"]
                io[f"{kind}WaitPercent"] = round(wait / (10 * elapsed), 2)
                io[f"{kind}IO_sec"] = _rate(deltas, kind, "IO", elapsed)
                fs[f"{kind}x_sec"] = _rate(deltas, kind, "x", elapsed)
            else:
                io[f"{kind}WaitPercent"] = io[f"{kind}IO_sec"] = fs[f"{kind}x_sec"] = None
        io["ms"] = fs["ms"] = int(elapsed * 1000) if before else 0
        of_each = {
            name: _of_a_disk(disk, disks_before.get(name), elapsed)
            for name, disk in list(disks.items())[:_MOST_DISKS]
        }
        self._last = io, fs, of_each
        return self._last


def _of_a_disk(now: Counters, before: Counters | None, elapsed: float) -> dict[str, Any]:
    """Counters as in `stats.io` and `stats.fs`, rates a second, `busy`: percent of the time. None: the first."""
    found: dict[str, Any] = {name: now[name] for name in ("rIO", "wIO", "rx", "wx")}
    names = {"rIO": "rIO_sec", "wIO": "wIO_sec", "rx": "rx_sec", "wx": "wx_sec", "tWaitTime": "busy"}
    for name, rate in names.items():
        change = None if before is None else max(now[name] - before[name], 0) / elapsed
        found[rate] = change if change is None else round(change / 10 if rate == "busy" else change, 2)
    return found


def mounts() -> dict[str, dict[str, Any]]:
    """File systems that hold data, by mount path with its punctuation as `_`."""
    found: dict[str, dict[str, Any]] = {}
    for device, path, kind, options in _mounted():
        if not ("/" in device or path == "/") or any(name in kind for name in _NO_STORAGE):
            continue
        try:
            status = os.statvfs(path)
        except OSError:
            continue
        size = status.f_blocks * status.f_frsize
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        available = status.f_bavail * status.f_frsize
        if not size:
            continue
        found[_key(path, found)] = {
            "fs": device,
            "type": kind,
            "size": size,
            "used": used,
            "available": available,
            "use": round(100 * used / (used + available), 2) if used + available else 0,
            "mount": path,
            "rw": "rw" in options.split(","),
            "inodes": status.f_files,
            "inodesUse": round(100 * (1 - status.f_favail / status.f_files), 2) if status.f_files else 0,
        }
    return found


def _key(path: str, found: Mapping[str, Mapping[str, Any]]) -> str:
    """The contract's name of a mount; a second path of the same name (`/a-b`, `/a_b`) gets a number."""
    name = _NOT_WORD.sub("_", path.lstrip("/")) or "root"
    if name not in found or found[name]["mount"] == path:
        return name
    number = 2
    while f"{name}_{number}" in found and found[f"{name}_{number}"]["mount"] != path:
        number += 1
    return f"{name}_{number}"


def _rate(deltas: Counters, kind: str, name: str, elapsed: float) -> float:
    total = deltas[f"r{name}"] + deltas[f"w{name}"] if kind == "t" else deltas[f"{kind}{name}"]
    return round(total / elapsed, 2)


def _mounted() -> list[tuple[str, str, str, str]]:
    try:
        with open("/proc/self/mounts") as file:
            rows = [line.split(" ") for line in file]
    except OSError:
        import psutil

        return [(p.device, p.mountpoint, p.fstype, p.opts) for p in psutil.disk_partitions(all=True)]
    return [(row[0], row[1].replace("\\040", " "), row[2], row[3]) for row in rows if len(row) > 3]


def _counters_of_psutil() -> Counters:
    import psutil

    totals = psutil.disk_io_counters()
    if totals is None:
        return dict.fromkeys(_NAMES, 0)
    return {
        "rIO": totals.read_count,
        "wIO": totals.write_count,
        "rx": totals.read_bytes,
        "wx": totals.write_bytes,
        "rWaitTime": getattr(totals, "read_time", 0),
        "wWaitTime": getattr(totals, "write_time", 0),
        "tWaitTime": getattr(totals, "busy_time", 0),
    }
