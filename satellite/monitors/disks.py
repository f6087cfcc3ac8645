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
_NO_STORAGE = (
    "rootfs", "unionfs", "squashfs", "cramfs", "initrd", "initramfs", "devtmpfs", "tmpfs", "udev", "devfs",
    "specfs", "appimaged",
)  # fmt: skip
_NOT_WORD = re.compile(r"\W+", re.ASCII)

Counters = dict[str, int]


def disk_counters() -> Counters:
    """Sums over whole disks since boot: operations, bytes, milliseconds."""
    sums = dict.fromkeys(("rIO", "wIO", "rx", "wx", "rWaitTime", "wWaitTime", "tWaitTime"), 0)
    try:
        with open("/proc/diskstats") as file:
            lines = file.read().splitlines()
    except OSError:
        return _counters_of_psutil()
    for line in lines:
        fields = line.split()
        name = fields[2]
        if name.startswith(_NO_DISK) or _PARTITION.match(name):
            continue
        sums["rIO"] += int(fields[3])
        sums["rx"] += int(fields[5]) * _SECTOR_BYTES
        sums["rWaitTime"] += int(fields[6])
        sums["wIO"] += int(fields[7])
        sums["wx"] += int(fields[9]) * _SECTOR_BYTES
        sums["wWaitTime"] += int(fields[10])
        sums["tWaitTime"] += int(fields[13])
    return sums


class DiskTraffic:
    """`stats.io` and `stats.fs`: counters, and rates since the previous minute sample."""

    def __init__(self) -> None:
        self._before: Counters | None = None
        self._at = 0.0
        self._last: tuple[dict[str, Any], dict[str, Any]] | None = None

    def sample(self) -> tuple[dict[str, Any], dict[str, Any]]:
        at = monotonic()
        elapsed = at - self._at
        if self._last is not None and elapsed < _SHORTEST_INTERVAL:
            return self._last
        sums = disk_counters()
        before, self._before, self._at = self._before, sums, at
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
        self._last = io, fs
        return self._last


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
        return dict.fromkeys(("rIO", "wIO", "rx", "wx", "rWaitTime", "wWaitTime", "tWaitTime"), 0)
    return {
        "rIO": totals.read_count,
        "wIO": totals.write_count,
        "rx": totals.read_bytes,
        "wx": totals.write_bytes,
        "rWaitTime": getattr(totals, "read_time", 0),
        "wWaitTime": getattr(totals, "write_time", 0),
        "tWaitTime": getattr(totals, "busy_time", 0),
    }
