"""What the kernel tells beyond the contract's sample: counters, pressure, temperatures (ours; Linux).

    kernel.counters     since boot: context_switches, interrupts, forks, swapped_in, swapped_out (pages), oom_kills,
                        tcp_segments, tcp_retransmitted
    kernel.pressure     cpu, memory, io: {some, full} in percent of the last ten seconds
    kernel.temperatures by sensor, degrees Celsius

What a kernel does not have is not there.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_STAT = {"ctxt": "context_switches", "intr": "interrupts", "processes": "forks"}
_VMSTAT = {"pswpin": "swapped_in", "pswpout": "swapped_out", "oom_kill": "oom_kills"}
_PRESSURE = re.compile(r"^(some|full) avg10=([\d.]+)", re.MULTILINE)
_MOST_SENSORS = 64
_NOT_WORD = re.compile(r"\W+", re.ASCII)


def kernel(proc: Path = Path("/proc"), thermal: Path = Path("/sys/class/thermal")) -> dict[str, Any]:
    counters = _named(_text(proc / "stat"), _STAT) | _named(_text(proc / "vmstat"), _VMSTAT) | _tcp(proc)
    pressure = {
        name: {kind: float(share) for kind, share in _PRESSURE.findall(text)}
        for name in ("cpu", "memory", "io")
        if (text := _text(proc / "pressure" / name))
    }
    found = {"counters": counters, "pressure": pressure, "temperatures": _temperatures(thermal)}
    return {key: value for key, value in found.items() if value}


def _named(text: str, names: Mapping[str, str]) -> dict[str, int]:
    found = {}
    for line in text.splitlines():
        key, _, rest = line.partition(" ")
        if key in names and (number := rest.partition(" ")[0]).isdigit():
            found[names[key]] = int(number)
    return found


def _tcp(proc: Path) -> dict[str, int]:
    """`Tcp:` twice: names, then numbers."""
    rows = [line.split()[1:] for line in _text(proc / "net" / "snmp").splitlines() if line.startswith("Tcp:")]
    if len(rows) != 2:
        return {}
    numbers = dict(zip(*rows, strict=False))
    wanted = {"OutSegs": "tcp_segments", "RetransSegs": "tcp_retransmitted"}
    return {name: int(numbers[key]) for key, name in wanted.items() if numbers.get(key, "").isdigit()}


def _temperatures(thermal: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    try:
        zones = sorted(os.listdir(thermal))
    except OSError:
        return found
    for zone in zones[:_MOST_SENSORS]:
        millidegrees = _text(thermal / zone / "temp").strip()
        if millidegrees.lstrip("-").isdigit():
            kind = _NOT_WORD.sub("_", _text(thermal / zone / "type").strip()) or zone
            name = kind if kind not in found else f"{kind}_{zone}"
            found[name] = int(millidegrees) / 1000
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
