"""Which addresses may be connected to (contract access.md §10). Pure.

The question is always asked of the address that is about to be connected to, never of a name: what a name
meant a moment ago says nothing about where a connection goes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

PRIVATE = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)
"""The default whitelist of an air gap."""

_NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local: where clouds keep the credentials of their machines
        "100.100.100.200/32",  # the same, elsewhere
        "192.0.0.192/32",
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fd00:ec2::254/128",
        "fe80::/10",
        "ff00::/8",
    )
)
_TRANSLATED = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class AirGap:
    """`airgap` of the settings, understood.

    Enabled: only what is on the whitelist (by default the private ranges) and not on the blacklist. Not
    enabled: everything but link-local, metadata, multicast and unspecified addresses, unless the whitelist
    names them expressly.
    """

    enabled: bool = False
    whitelist: tuple[Network, ...] = ()
    blacklist: tuple[Network, ...] = ()

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "AirGap":
        """Entries are addresses or networks in CIDR form. Raises ValueError for any other."""
        return cls(
            enabled=bool(settings.get("enabled")),
            whitelist=_networks(settings.get("whitelist") or ()),
            blacklist=_networks(settings.get("blacklist") or ()),
        )

    def refusal(self, address: str) -> str:
        """Why nothing may be sent to this address; empty when it may."""
        try:
            target = plain(ip_address(address.partition("%")[0]))
        except ValueError:
            return f"Not an IP address: {address[:100]}"
        if self.enabled:
            if _within(target, self.blacklist):
                return f"Air-gapped: {target} is on the blacklist"
            if not _within(target, self.whitelist or PRIVATE):
                return f"Air-gapped: {target} is not on the whitelist"
            if self.whitelist:
                return ""
        if _within(target, _NEVER) and not _within(target, self.whitelist):
            return f"Not allowed: {target} is a link-local, metadata or multicast address"
        return ""


def plain(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that only wraps it: both lead to the same host."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address.sixtofour:
            return address.sixtofour
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _networks(entries: Any) -> tuple[Network, ...]:
    if isinstance(entries, str):
        entries = [entry for entry in entries.replace(",", " ").split() if entry]
    return tuple(ip_network(str(entry).strip(), strict=False) for entry in entries)
