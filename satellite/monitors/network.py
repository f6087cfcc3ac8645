"""Interfaces, their traffic, and connections (contract monitor_data.md §3.7, §4)."""

import os
import socket
from typing import Any

import msgspec

from satellite import processes
from satellite.connections import Table
from satellite.monitors.interfaces import interfaces, is_virtual
from shared.clock import monotonic

_COUNTERS = ("rx_bytes", "rx_errors", "rx_dropped", "tx_bytes", "tx_errors", "tx_dropped")
_COLUMNS = (0, 2, 3, 8, 10, 11)
_MOST_CONNECTIONS = 2000
_STATES = {
    "NONE": "UNCONNECTED",
    "FIN_WAIT1": "FIN-WAIT-1",
    "FIN_WAIT2": "FIN-WAIT-2",
    "SYN_RECV": "SYN-RECV",
}

Counters = dict[str, int]


class Connection(msgspec.Struct, gc=False):
    """One of `conns`. A struct and no dict: a busy host has thousands, and each sample would leave its mark on what
    an idle satellite holds."""

    type: str
    state: str
    local_addr: str
    remote_addr: str
    pid: int
    bytes_out: int = 0
    bytes_in: int = 0


def traffic() -> dict[str, Counters]:
    """Counters since boot by interface, loopback left out."""
    try:
        with open("/proc/net/dev") as file:
            lines = file.read().splitlines()[2:]
    except OSError:
        return _traffic_of_psutil()
    found = {}
    for line in lines:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        if name.strip() != "lo":
            found[name.strip()] = {
                key: int(fields[column]) for key, column in zip(_COUNTERS, _COLUMNS, strict=True)
            }
    return found


def totals() -> dict[str, int]:
    """Bytes received and sent since boot, for the quick sample."""
    sums = {"rx": 0, "tx": 0}
    for name, counters in traffic().items():
        if not is_virtual(name):
            sums["rx"] += counters["rx_bytes"]
            sums["tx"] += counters["tx_bytes"]
    return sums


class Network:
    """`interfaces` and `stats.network` of the minute sample."""

    def __init__(self) -> None:
        self._before: dict[str, Counters] = {}
        self._at = 0.0

    def sample(self, connections: list[Connection]) -> tuple[dict[str, Any], dict[str, Any]]:
        at = monotonic()
        elapsed, self._at = at - self._at, at
        counters = traffic()
        before, self._before = self._before, counters
        found = interfaces()
        for name, interface in found.items():
            now = counters.get(name, {})
            old = before.get(name)
            interface |= now
            for way in ("rx", "tx"):
                delta = now.get(f"{way}_bytes", 0) - old[f"{way}_bytes"] if old else None
                interface[f"{way}_sec"] = None if delta is None else round(max(delta, 0) / elapsed, 2)
            interface["ms"] = int(elapsed * 1000) if old else 0
        return found, _summary(found, connections)


def connections() -> list[Connection]:
    """Internet sockets with their owner and their bytes, capped; those without an owner last."""
    found = Table().all(processes.pids(), _MOST_CONNECTIONS)
    if found is None:
        return _connections_of_psutil()
    return [
        Connection(
            one.type,
            _STATES.get(one.state, one.state.replace("_", "-")),
            one.local,
            f"{one.remote[:-2]}:*" if one.remote.endswith(":0") else one.remote,
            one.pid,
            one.sent,
            one.received,
        )
        for one in found
    ]


def _connections_of_psutil() -> list[Connection]:
    import psutil

    try:
        sockets = psutil.net_connections("inet")
    except (psutil.Error, OSError):
        return []
    return [
        Connection(
            "tcp" if entry.type == socket.SOCK_STREAM else "udp",
            _STATES.get(entry.status, entry.status.replace("_", "-")),
            _address(entry.laddr),
            _address(entry.raddr),
            entry.pid or 0,
        )
        for entry in sockets[:_MOST_CONNECTIONS]
    ]


def _summary(interfaces: dict[str, Any], connections: list[Connection]) -> dict[str, Any]:
    external = [name for name, interface in interfaces.items() if not interface["internal"]]
    states: dict[str, int] = {"established": 0}
    for connection in connections:
        state = connection.state.lower()
        states[state] = states.get(state, 0) + 1
    summary: dict[str, Any] = {"conns": len(connections), "states": states}
    if external:
        # Traffic of bridges and virtual pairs passes a physical interface too and would count twice.
        counted = [interfaces[n] for n in external if not interfaces[n]["virtual"]] or [
            interfaces[n] for n in external
        ]
        summary["ifaces"] = external
        for key in (*_COUNTERS, "rx_sec", "tx_sec"):
            summary[key] = sum(interface.get(key) or 0 for interface in counted)
    return summary


def external_address() -> str:
    """The first address others could reach, or empty."""
    for interface in interfaces().values():
        address = str(interface["ip4"] or interface["ip6"])
        if not interface["internal"] and not address.startswith("169.254."):
            return address
    return ""


def hostname() -> str:
    return os.uname().nodename


def _address(address: Any) -> str:
    if not address:
        return ""
    host = f"[{address.ip}]" if ":" in address.ip else address.ip
    return f"{host}:{address.port}"


def _traffic_of_psutil() -> dict[str, Counters]:
    import psutil

    return {
        name: {
            "rx_bytes": io.bytes_recv,
            "rx_errors": io.errin,
            "rx_dropped": io.dropin,
            "tx_bytes": io.bytes_sent,
            "tx_errors": io.errout,
            "tx_dropped": io.dropout,
        }
        for name, io in psutil.net_io_counters(pernic=True).items()
        if name not in ("lo", "lo0")
    }
