"""Network interfaces with an address (contract monitor_data.md §3.7): asked of the kernel, elsewhere of psutil."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network
from typing import Any, NamedTuple

_ROUTE = 0
_GET_ADDRESSES = 22
_DUMP = 0x301
_DONE, _ERROR = 3, 2
_TIMEOUT = 1.0
_RECEIVE_BYTES = 64 * 1024
_HEADER = struct.Struct("=IHHII")
_ADDRESS = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_PEER, _LOCAL = 1, 2
_VIRTUAL = ("docker", "br-", "veth", "virbr", "vmnet", "vboxnet", "cni", "flannel", "tap", "tun")
_FOLDER = "/sys/class/net"


class Address(NamedTuple):
    interface: str
    family: socket.AddressFamily
    text: str
    netmask: str


class Link(NamedTuple):
    mac: str = ""
    up: bool = False
    duplex: str = "unknown"
    mtu: int | None = None
    speed: int | None = None
    """Mbit/s; None where nobody knows."""


def is_virtual(name: str) -> bool:
    """Its traffic passes a physical interface, too."""
    return name.startswith(_VIRTUAL)


def interfaces() -> dict[str, dict[str, Any]]:
    """By name; what is true now."""
    try:
        addresses = _addresses()
        links = {one.interface: _link(one.interface) for one in addresses}
    except (OSError, AttributeError, struct.error):
        addresses, links = _with_psutil()
    default = _default()
    found: dict[str, dict[str, Any]] = {}
    for one in addresses:
        link = links[one.interface]
        own = found.setdefault(one.interface, _described(one.interface, link, default))
        kind = "ip4" if one.family == socket.AF_INET else "ip6"
        if not own[kind]:
            own |= {kind: one.text, f"{kind}subnet": one.netmask}
        if one.text.startswith("127.") or one.text == "::1":
            own["internal"] = True
    return found


def _described(name: str, link: Link, default: str) -> dict[str, Any]:
    virtual = is_virtual(name)
    return {
        "ip4": "",
        "ip4subnet": "",
        "ip6": "",
        "ip6subnet": "",
        "mac": link.mac,
        "iface": name,
        "ifaceName": name,
        "default": name == default,
        "internal": name == "lo",
        "virtual": virtual,
        "operstate": "up" if link.up else "down",
        "type": "virtual" if virtual else "wireless" if name.startswith("wl") else "wired",
        "duplex": link.duplex,
        "mtu": link.mtu,
        "speed": link.speed,
    }


def _addresses() -> list[Address]:
    """Every address of every interface. Raises OSError or AttributeError where there is no such kernel."""
    names = dict(socket.if_nameindex())
    found = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _ROUTE) as asked:
        asked.settimeout(_TIMEOUT)
        for family in (socket.AF_INET, socket.AF_INET6):
            request = _ADDRESS.pack(family, 0, 0, 0, 0)
            asked.send(_HEADER.pack(_HEADER.size + len(request), _GET_ADDRESSES, _DUMP, 0, 0) + request)
            for message in _messages(asked):
                _, prefix, _, _, index = _ADDRESS.unpack_from(message)
                raw = _address(message[_ADDRESS.size :])
                if raw and index in names:
                    text = socket.inet_ntop(family, raw)
                    found.append(Address(names[index], family, text, _netmask(family, prefix)))
    return found


def _messages(asked: socket.socket) -> Iterator[bytes]:
    """The bodies of one dump's messages."""
    while True:
        data = asked.recv(_RECEIVE_BYTES)
        place = 0
        while place + _HEADER.size <= len(data):
            length, kind, *_ = _HEADER.unpack_from(data, place)
            if kind in (_DONE, _ERROR) or length < _HEADER.size:
                return
            yield data[place + _HEADER.size : place + length]
            place += (length + 3) & ~3


def _address(attributes: bytes) -> bytes:
    """Ours; of a point-to-point link the plain attribute is the peer's."""
    found: dict[int, bytes] = {}
    place = 0
    while place + _ATTRIBUTE.size <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, place)
        if length < _ATTRIBUTE.size:
            break
        found[kind] = attributes[place + _ATTRIBUTE.size : place + length]
        place += (length + 3) & ~3
    return found.get(_LOCAL) or found.get(_PEER) or b""


def _netmask(family: socket.AddressFamily, prefix: int) -> str:
    network = IPv4Network((0, prefix)) if family == socket.AF_INET else IPv6Network((0, prefix))
    return str(network.netmask)


def _link(name: str) -> Link:
    duplex = _text(name, "duplex")
    return Link(
        mac=_text(name, "address"),
        up=bool(int(_text(name, "flags") or "0", 16) & 1),
        duplex=duplex if duplex in ("full", "half") else "unknown",
        mtu=_number(name, "mtu"),
        speed=_number(name, "speed"),
    )


def _number(name: str, fact: str) -> int | None:
    text = _text(name, fact)
    return int(text) or None if text.isdigit() else None


def _text(name: str, fact: str) -> str:
    with suppress(OSError), open(os.path.join(_FOLDER, name, fact)) as file:
        return file.read().strip()
    return ""  # not every driver tells everything


def _default() -> str:
    """The interface of the default route, or empty."""
    try:
        with open("/proc/net/route") as file:
            rows = [line.split() for line in file.read().splitlines()[1:]]
    except OSError:
        return ""
    return next((row[0] for row in rows if len(row) > 1 and row[1] == "00000000"), "")


def _with_psutil() -> tuple[list[Address], dict[str, Link]]:
    import psutil

    found, links = [], {}
    states = psutil.net_if_stats()
    for name, entries in psutil.net_if_addrs().items():
        mac = next((entry.address for entry in entries if entry.family == psutil.AF_LINK), "")
        state = states.get(name)
        links[name] = Link(mac)
        if state is not None:
            duplex = {2: "full", 1: "half"}.get(int(state.duplex), "unknown")
            links[name] = Link(mac, state.isup, duplex, state.mtu, state.speed or None)
        found += [
            Address(name, entry.family, entry.address.partition("%")[0], entry.netmask or "")
            for entry in entries
            if entry.family in (socket.AF_INET, socket.AF_INET6)
        ]
    return found, links
