"""Which addresses and host names may talk to this server at all. Contract access.md §10. Pure.

Asked of the socket's own address: what a header claims opens no door.
"""

import ipaddress
from collections.abc import Sequence

from conductor.settings import SettingsError
from conductor.settings_sections import WebServerSettings

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Perimeter:
    """Raises SettingsError for an entry that is neither an address nor a network."""

    def __init__(self, settings: WebServerSettings) -> None:
        self._allowed = networks(settings.whitelist, "WebServer.whitelist")
        self._refused = networks(settings.blacklist, "WebServer.blacklist")
        self._hosts = frozenset(host.lower() for host in settings.allow_hosts)
        self.open = not (self._allowed or self._refused or self._hosts)
        """Nothing is refused."""

    def admits(self, address: str | None, host: str) -> bool:
        """`host` is the request's Host header, with or without a port."""
        if self._hosts and host.lower() not in self._hosts and _name(host) not in self._hosts:
            return False
        if self._allowed and not within(address, self._allowed):
            return False
        return not (self._refused and within(address, self._refused))


def networks(entries: Sequence[str], setting: str) -> tuple[Network, ...]:
    """Addresses and networks as networks. Raises SettingsError, naming the entry."""
    try:
        return tuple(ipaddress.ip_network(entry.strip(), strict=False) for entry in entries if entry.strip())
    except ValueError as error:
        raise SettingsError(f"Settings: {setting}: {error}") from None


def within(address: str | None, among: Sequence[Network]) -> bool:
    """Whether the address is in one of the networks; an IPv4 address mapped into IPv6 counts as itself."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in among)


def _name(host: str) -> str:
    return host.lower().rsplit(":", 1)[0] if host.rpartition(":")[2].isdigit() else host.lower()
