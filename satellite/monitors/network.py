"""Interfaces, their traffic, and connections (contract monitor_data.md §3.7, §4)."""

import os
import socket
from typing import Any

from shared.clock import monotonic

_COUNTERS = ("rx_bytes", "rx_errors", "rx_dropped", "tx_bytes", "tx_errors", "tx_dropped")
_COLUMNS = (0, 2, 3, 8, 10, 11)
_VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "cni", "flannel", "tap", "tun")
_MOST_CONNECTIONS = 2000
_STATES = {
    "NONE": "UNCONNECTED",
    "FIN_WAIT1": "FIN-WAIT-1",
    "FIN_WAIT2": "FIN-WAIT-2",
    "SYN_RECV": "SYN-RECV",
}

Counters = dict[str, int]


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
        if not name.startswith(_VIRTUAL):
            sums["rx"] += counters["rx_bytes"]
            sums["tx"] += counters["tx_bytes"]
    return sums


class Network:
    """`interfaces` and `stats.network` of the minute sample."""

    def __init__(self) -> None:
        self._before: dict[str, Counters] = {}
        self._at = 0.0

    def sample(self, connections: list[dict[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
        at = monotonic()
        elapsed, self._at = at - self._at, at
        counters = traffic()
        before, self._before = self._before, counters
        interfaces = _interfaces()
        for name, interface in interfaces.items():
            now = counters.get(name, {})
            old = before.get(name)
            interface |= now
            for way in ("rx", "tx"):
                delta = now.get(f"{way}_bytes", 0) - old[f"{way}_bytes"] if old else None
                interface[f"{way}_sec"] = None if delta is None else round(max(delta, 0) / elapsed, 2)
            interface["ms"] = int(elapsed * 1000) if old else 0
        return interfaces, _summary(interfaces, connections)


def connections() -> list[dict[str, Any]]:
    """Internet sockets with their owner, capped. Byte counts would need a netlink query and are 0."""
    import psutil

    try:
        sockets = psutil.net_connections("inet")
    except (psutil.Error, OSError):
        return []
    return [
        {
            "type": "tcp" if entry.type == socket.SOCK_STREAM else "udp",
            "state": _STATES.get(entry.status, entry.status.replace("_", "-")),
            "local_addr": _address(entry.laddr),
            "remote_addr": _address(entry.raddr),
            "pid": entry.pid or 0,
            "bytes_out": 0,
            "bytes_in": 0,
        }
        for entry in sockets[:_MOST_CONNECTIONS]
    ]


def _summary(interfaces: dict[str, Any], connections: list[dict[str, Any]]) -> dict[str, Any]:
    external = [name for name, interface in interfaces.items() if not interface["internal"]]
    states: dict[str, int] = {"established": 0}
    for connection in connections:
        state = connection["state"].lower()
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


def _interfaces() -> dict[str, Any]:
    import psutil

    addresses, states = psutil.net_if_addrs(), psutil.net_if_stats()
    default = _default_interface()
    found: dict[str, Any] = {}
    for name, entries in addresses.items():
        interface: dict[str, Any] = {"ip4": "", "ip4subnet": "", "ip6": "", "ip6subnet": "", "mac": ""}
        for entry in entries:
            if entry.family == socket.AF_INET and not interface["ip4"]:
                interface |= {"ip4": entry.address, "ip4subnet": entry.netmask or ""}
            elif entry.family == socket.AF_INET6 and not interface["ip6"]:
                interface |= {"ip6": entry.address.partition("%")[0], "ip6subnet": entry.netmask or ""}
            elif entry.family == psutil.AF_LINK:
                interface["mac"] = entry.address
        if not interface["ip4"] and not interface["ip6"]:
            continue
        state = states.get(name)
        internal = name == "lo" or interface["ip4"].startswith("127.") or interface["ip6"] == "::1"
        virtual = name.startswith(_VIRTUAL)
        found[name] = interface | {
            "iface": name,
            "ifaceName": name,
            "default": name == default,
            "internal": internal,
            "virtual": virtual,
            "operstate": "up" if state and state.isup else "down",
            "type": "virtual" if virtual else "wireless" if name.startswith("wl") else "wired",
            "duplex": {2: "full", 1: "half"}.get(int(state.duplex), "unknown") if state else "unknown",
            "mtu": state.mtu if state else None,
            "speed": state.speed or None if state else None,
        }
    return found


def _default_interface() -> str:
    try:
        with open("/proc/net/route") as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
    except OSError:
        return ""
    return next((row[0] for row in rows if len(row) > 1 and row[1] == "00000000"), "")


def external_address() -> str:
    """The first address others could reach, or empty."""
    for interface in _interfaces().values():
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
