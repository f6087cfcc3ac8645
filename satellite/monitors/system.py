"""Facts of the host that do not change while it runs (contract monitor_data.md §2, §3.2, §3.4)."""

import os
import platform
import re
import socket
import sys
from functools import cache
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "i686": "ia32", "armv7l": "arm"}
_CACHE_LEVELS = {
    ("1", "Data"): "l1d",
    ("1", "Instruction"): "l1i",
    ("2", "Unified"): "l2",
    ("3", "Unified"): "l3",
}
_FREQUENCY = "/sys/devices/system/cpu/cpu0/cpufreq"
_UNITS = {"K": 1024, "M": 1024**2}


def architecture() -> str:
    machine = platform.machine().lower()
    return _ARCHITECTURES.get(machine, machine)


def platform_name() -> str:
    return sys.platform


@cache
def operating_system() -> dict[str, Any]:
    release = _os_release()
    kernel = os.uname()
    return {
        "platform": sys.platform.capitalize(),
        "distro": release.get("NAME", kernel.sysname),
        "release": release.get("VERSION", release.get("VERSION_ID", "")).partition(" (")[0],
        "codename": release.get("VERSION_CODENAME", ""),
        "kernel": kernel.release,
        "arch": architecture(),
        "hostname": kernel.nodename,
        "fqdn": socket.getfqdn(),
        "codepage": "UTF-8",
        "logofile": release.get("ID", ""),
        "serial": _text("/etc/machine-id"),
        "build": "",
        "servicepack": "",
        "uefi": os.path.isdir("/sys/firmware/efi") if sys.platform == "linux" else None,
    }


@cache
def processor() -> dict[str, Any]:
    """The static part of `cpu`."""
    rows = re.findall(r"^([\w ]+?)\s*:[ \t]*(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    first: dict[str, str] = {}
    for key, value in rows:
        first.setdefault(key, value)
    cores = os.cpu_count() or 1
    vendor = first.get("vendor_id", "")
    flags = first.get("flags", "")
    speed = round(float(first.get("cpu MHz") or 0) / 1000, 2)
    physical = {
        (package, core)
        for package, core in zip(
            [v for k, v in rows if k == "physical id"], [v for k, v in rows if k == "core id"], strict=False
        )
    }
    return {
        "manufacturer": {"GenuineIntel": "Intel", "AuthenticAMD": "AMD"}.get(vendor, vendor),
        "brand": first.get("model name") or architecture(),
        "vendor": vendor,
        "family": first.get("cpu family", ""),
        "model": first.get("model", ""),
        "stepping": first.get("stepping", ""),
        "revision": "",
        "voltage": "",
        "speed": speed,
        "speedMin": _gigahertz("cpuinfo_min_freq"),
        "speedMax": _gigahertz("cpuinfo_max_freq") or speed,
        "governor": _text(f"{_FREQUENCY}/scaling_governor"),
        "cores": cores,
        "physicalCores": len(physical) or cores,
        "performanceCores": len(physical) or cores,
        "efficiencyCores": 0,
        "socket": "",
        "processors": len({value for key, value in rows if key == "physical id"}) or 1,
        "flags": flags,
        "virtualization": bool({"vmx", "svm"} & set(flags.split())),
        "cache": _caches(),
    }


@cache
def virtualization() -> dict[str, Any] | bool:
    """`virt`, as far as files tell; no metadata service is asked."""
    vendor = _text("/sys/class/dmi/id/board_vendor")
    if vendor:
        return {"vendor": vendor, "cloud": True}
    for name in ("sys_vendor", "product_name"):
        vendor = _text(f"/sys/class/dmi/id/{name}")
        if vendor:
            return {"vendor": vendor}
    if os.path.exists("/.dockerenv") or "docker" in _text("/proc/self/cgroup"):
        return {"vendor": "Docker"}
    return False


def boot_time() -> float:
    """Unix time, from the kernel."""
    match = re.search(r"^btime (\d+)", _text("/proc/stat"), re.MULTILINE)
    if match:
        return float(match[1])
    import psutil

    return float(psutil.boot_time())


def _os_release() -> dict[str, str]:
    rows = re.findall(r'^(\w+)="?([^"\n]*)"?$', _text("/etc/os-release"), re.MULTILINE)
    return dict(rows)


def _gigahertz(name: str) -> float:
    text = _text(f"{_FREQUENCY}/{name}")
    return round(int(text) / 1_000_000, 2) if text.isdigit() else 0


def _caches() -> dict[str, int]:
    caches: dict[str, int] = {}
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level = _CACHE_LEVELS.get((_text(f"{index}/level"), _text(f"{index}/type")))
        size = _text(f"{index}/size")
        if level and size[:-1].isdigit():
            caches[level] = int(size[:-1]) * _UNITS.get(size[-1], 1)
    return caches


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace").strip()
    except OSError:
        return ""
