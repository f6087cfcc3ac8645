"""Putting samples together (contract monitor_data.md §3, §4). Called in a thread."""

import copy
import os
import platform
import time
from typing import Any

from satellite import processes
from satellite.monitors import disks, network, system
from satellite.monitors.cpu import CpuLoad
from satellite.monitors.kernel import kernel
from satellite.monitors.memory import read_memory
from satellite.monitors.process_list import ProcessList
from shared.clock import monotonic, now


class Samples:
    def __init__(self) -> None:
        self._quick_cpu = CpuLoad()
        self._minute_cpu = CpuLoad()
        self._disks = disks.DiskTraffic()
        self._network = network.Network()
        self._processes = ProcessList()
        self._own = _OwnUsage()

    def quick(self) -> dict[str, Any]:
        traffic = disks.disk_counters()
        return {
            "mem": read_memory(),
            "cpu": self._quick_cpu.sample(),
            "fs": {"rx": traffic["rx"], "wx": traffic["wx"]},
            "net": network.totals(),
        }

    def minute(
        self,
        jobs: dict[int, str],
        commands: dict[str, Any] | None,
        mounts: dict[str, dict[str, Any]] | None = None,
        slept: float = 0,
    ) -> dict[str, Any]:
        """`jobs`: session leader → job ID; `commands`: results of monitor plugins, None without any; `mounts`:
        None when they could not be read in time; `slept`: seconds waited before, for the statistics."""
        began = monotonic()
        at = now()
        uptime = at - system.boot_time()
        memory = read_memory()
        connections = network.connections()
        interfaces, traffic = self._network.sample(connections)
        io, fs, of_disks = self._disks.sample()
        sample = self._always(jobs) | {
            "os": system.operating_system(),
            "memory": memory,
            "cpu": system.processor() | self._minute_cpu.sample(),
            "mounts": mounts or {},
            "interfaces": interfaces,
            "conns": connections,
            "processes": self._processes.sample(uptime, at, memory.get("total", 0), jobs),
            "stats": {"io": io, "fs": fs, "disks": of_disks, "network": traffic},
        }
        if told := kernel():
            sample["kernel"] = told
        if commands is not None:
            sample["commands"] = commands
        if mounts is None:
            sample["errors"] = ["mounts"]
        sample["metrics"] = {
            "scale": 1000,
            "perf": {"total": int((monotonic() - began + slept) * 1000), "sleep": int(slept * 1000)},
            "counters": {},
        }
        return sample

    def aside(self, jobs: dict[int, str], mounts: dict[str, dict[str, Any]] | None) -> dict[str, Any]:
        """As `minute`, and the next minute sample does not notice."""
        return copy.deepcopy(self).minute(jobs, None, mounts)

    def dummy(self, jobs: dict[int, str]) -> dict[str, Any]:
        """§3.12: monitoring is switched off."""
        empty: dict[str, Any] = {
            key: {}
            for key in (
                "os", "memory", "cpu", "mounts", "interfaces", "processes", "commands", "graphics", "docker",
            )
        }  # fmt: skip
        return self._always(jobs) | empty | {"stats": {"io": {}, "fs": {}, "network": {}}, "dummy": True}

    def _always(self, jobs: dict[int, str]) -> dict[str, Any]:
        return {
            "uptime_sec": round(now() - system.boot_time(), 2),
            "arch": system.architecture(),
            "platform": system.platform_name(),
            "release": platform.release(),
            "load": list(os.getloadavg()),
            "jobs": len(jobs),
            "process": self._own.sample(),
        }


class _OwnUsage:
    """`process`: the satellite itself; CPU is percent of one core since the last sample."""

    def __init__(self) -> None:
        self._started = now()
        self._cpu = time.process_time()
        self._at = monotonic()

    def sample(self) -> dict[str, Any]:
        cpu, at = time.process_time(), monotonic()
        percent = 100 * (cpu - self._cpu) / max(at - self._at, 0.01)
        self._cpu, self._at = cpu, at
        own = processes.read(os.getpid())
        return {
            "pid": os.getpid(),
            "started": round(self._started, 3),
            "mem": own.rss if own else 0,
            "cpu": round(percent, 2),
        }
