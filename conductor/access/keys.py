"""API keys: which account a plain key stands for, from where it may call, and how often.

Contract access.md §7, api/README.md §7 and §8. A stored key is SHA-256 of (plain + ID), so a plain key can
only be found by trying; the mask, which every key of ours has, leaves one or two to try. A bounded cache of what
was found spares that too, and is dropped whenever keys or roles change.
"""

import hashlib
import ipaddress
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from conductor.access.account import Account
from conductor.access.rights import Catalogue, Roles, effective
from conductor.errors import NoSession, Refusal
from shared.protocol.tokens import matches
from shared.schema.api_keys import mask, previous

_CACHED = 10_000
_DAY = 86_400

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Found:
    account: Account
    active: bool
    expires: float
    """Of the key, or of the plain one if a rotation has replaced that."""
    max_per_sec: float
    max_per_day: float
    networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]


class ApiKeys:
    """The keys in use. `usage` counts the calls of each key in its current second."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.remembered: Callable[[str], Mapping[str, Any]] = lambda key_id: {}
        """What an earlier process has counted of a key, as `usage` tells it."""
        self._catalogue = catalogue
        self._roles = Roles(catalogue)
        self._found: dict[bytes, _Found] = {}
        self._by_mask: dict[str, list[Mapping[str, Any]]] = {}
        self._versions: tuple[int, int] = (-1, -1)
        self._usage: dict[str, list[int]] = {}
        self._granted: dict[str, deque[float]] = {}
        self._days: dict[str, list[int]] = {}

    def account(self, plain: str, address: str = "") -> Account:
        """The account of a plain key shown from `address`; counts the call.

        Raises NoSession for an unknown, disabled or expired key and one that is not for this address, all with
        one text, and Refusal `rate` beyond `max_per_sec` or `max_per_day`.
        """
        moment = time.time()
        found = self._look_up(plain, address, moment)
        self._count(found, moment)
        return found.account

    def check(self, plain: str, address: str = "") -> Account:
        """As `account`, without counting: the call is counted when it is served. Raises NoSession."""
        return self._look_up(plain, address, time.time()).account

    def _look_up(self, plain: str, address: str, moment: float) -> _Found:
        versions = (self._catalogue.version("api_keys"), self._roles.version)
        if versions != self._versions:
            self._found.clear()
            self._sort()
            self._versions = versions
        digest = hashlib.sha256(plain.encode(errors="surrogatepass")).digest()
        found = self._found.get(digest)
        if found is None:
            found = self._search(plain)
            if len(self._found) >= _CACHED:
                del self._found[next(iter(self._found))]
            self._found[digest] = found
        reason = _refusal(found, address, moment)
        if reason:
            # Its holder is told what anybody with a wrong key is told; the operator is told which key it was.
            log.warning("API key refused", key=found.account.name, reason=reason, address=address)
            raise NoSession("Invalid API Key")
        return found

    def usage(self) -> dict[str, dict[str, int]]:
        """By key ID: `date`, the last second of use, and `count`, the calls within it.

        Of keys with a daily quota also `day`, the last day of use in UTC since the epoch, and `day_count`.
        """
        told = {key: {"date": date, "count": count} for key, (date, count) in self._usage.items()}
        for key, (day, count) in self._days.items():
            if key in told:
                told[key] |= {"day": day, "day_count": count}
        return told

    def forget(self, key_id: str) -> None:
        """Drop the usage of a deleted key."""
        for counted in (self._usage, self._granted, self._days):
            counted.pop(key_id, None)

    def _sort(self) -> None:
        """The keys by their masks; those without one, which were brought from elsewhere, under an empty one."""
        self._by_mask = {}
        for key in self._catalogue.all("api_keys"):
            masks = {str(key.get("mask") or ""), *(str(one.get("mask") or "") for one in previous(key))}
            for one in masks:
                self._by_mask.setdefault(one, []).append(key)

    def _search(self, plain: str) -> _Found:
        given = plain.encode(errors="surrogatepass")
        for key in (*self._by_mask.get(mask(plain), ()), *self._by_mask.get("", ())):
            digest = hashlib.sha256(given + key["id"].encode()).hexdigest()
            if matches(digest, str(key.get("key", ""))):
                return self._opened(key, _number(key.get("expires")))
            for one in previous(key):
                if matches(digest, one["key"]):
                    ends = [end for end in (_number(key.get("expires")), float(one["expires"])) if end > 0]
                    return self._opened(key, min(ends, default=1.0))
        raise NoSession("Invalid API Key")

    def _opened(self, key: Mapping[str, Any], expires: float) -> _Found:
        privileges, categories, groups = effective(key, self._roles.all())
        account = Account(
            kind="api_key",
            name=key["id"],
            title=str(key.get("title", "")),
            privileges=privileges,
            categories=categories,
            groups=groups,
        )
        return _Found(
            account,
            bool(key.get("active")),
            expires,
            _number(key.get("max_per_sec")),
            _number(key.get("max_per_day")),
            _networks(key.get("allow_ips")),
        )

    def _count(self, found: _Found, moment: float) -> None:
        name, second = found.account.name, int(moment)
        usage = self._usage.get(name)
        if usage is None:
            usage = self._usage[name] = [second, 0]
        elif usage[0] != second:
            usage[0], usage[1] = second, 0
        usage[1] += 1
        if found.max_per_sec:
            self._count_second(name, found.max_per_sec, moment)
        if found.max_per_day:
            self._count_day(name, found.max_per_day, int(moment // _DAY))

    def _count_second(self, name: str, most: float, moment: float) -> None:
        """Any second counts, not those of the clock alone: two bursts around its turn are one."""
        granted = self._granted.setdefault(name, deque())
        while granted and not moment - 1 < granted[0] <= moment:
            granted.popleft()
        if len(granted) >= most:
            raise Refusal("rate", f"API Key has exceeded rate limit ({most:g}/sec)")
        granted.append(moment)

    def _count_day(self, name: str, most: float, day: int) -> None:
        counted = self._days.get(name)
        if counted is None or counted[0] != day:
            before = self.remembered(name)
            counted = self._days[name] = [day, before.get("day_count", 0) if before.get("day") == day else 0]
        if counted[1] >= most:
            raise Refusal("rate", f"API Key has exceeded rate limit ({most:g}/day)")
        counted[1] += 1


def _refusal(found: _Found, address: str, moment: float) -> str:
    """Why the key opens nothing now and from there; empty if it does."""
    if not found.active:
        return "disabled"
    if found.expires and moment >= found.expires:
        return "expired"
    if found.networks and not _within(address, found.networks):
        return "address"
    return ""


def _within(address: str, networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in network for network in networks)


def _networks(listed: object) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    """An imported entry that is no address lets nobody in, but keeps its key bound."""
    if not isinstance(listed, list) or not listed:
        return ()
    networks = []
    for entry in listed:
        try:
            networks.append(ipaddress.ip_network(entry, strict=False))
        except (ValueError, TypeError):
            continue
    return tuple(networks) or (ipaddress.ip_network("255.255.255.255/32"),)


def _number(value: object) -> float:
    """A stored limit as a number; anything else counts as no limit."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
