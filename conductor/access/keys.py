"""API keys: which account a plain key stands for, and how often it may call.

Contract access.md §7, api/README.md §7 and §8. A stored key is SHA-256 of (plain + ID), so a plain key can
only be found by trying every key; a bounded cache of what was found spares that, and is dropped whenever
keys or roles change.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

from conductor.access.account import Account
from conductor.access.rights import Catalogue, Roles, effective
from conductor.errors import NoSession, Refusal
from shared.protocol.tokens import matches

_CACHED = 10_000


@dataclass(frozen=True, slots=True)
class _Found:
    account: Account
    expires: float
    max_per_sec: float


class ApiKeys:
    """The keys in use. `usage` counts the calls of each key in its current second."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._roles = Roles(catalogue)
        self._found: dict[bytes, _Found] = {}
        self._versions: tuple[int, int] = (-1, -1)
        self._usage: dict[str, list[int]] = {}

    def account(self, plain: str) -> Account:
        """The account of a plain key; counts the call.

        Raises NoSession for an unknown, disabled or expired key, and Refusal `rate` beyond `max_per_sec`.
        """
        moment = time.time()
        found = self._look_up(plain, moment)
        self._count(found, int(moment))
        return found.account

    def check(self, plain: str) -> Account:
        """As `account`, without counting: the call is counted when it is served. Raises NoSession."""
        return self._look_up(plain, time.time()).account

    def _look_up(self, plain: str, moment: float) -> _Found:
        versions = (self._catalogue.version("api_keys"), self._roles.version)
        if versions != self._versions:
            self._found.clear()
            self._versions = versions
        digest = hashlib.sha256(plain.encode(errors="surrogatepass")).digest()
        found = self._found.get(digest)
        if found is None:
            found = self._search(plain, moment)
            if len(self._found) >= _CACHED:
                del self._found[next(iter(self._found))]
            self._found[digest] = found
        if found.expires and moment >= found.expires:
            raise NoSession("Invalid API Key")
        return found

    def usage(self) -> dict[str, dict[str, int]]:
        """By key ID: `date`, the last second of use, and `count`, the calls within it."""
        return {key: {"date": date, "count": count} for key, (date, count) in self._usage.items()}

    def forget(self, key_id: str) -> None:
        """Drop the usage of a deleted key."""
        self._usage.pop(key_id, None)

    def _search(self, plain: str, moment: float) -> _Found:
        given = plain.encode(errors="surrogatepass")
        match: dict[str, Any] | None = None
        for key in self._catalogue.all("api_keys"):
            expires = _number(key.get("expires"))
            if not key.get("active") or (expires and moment >= expires):
                continue
            digest = hashlib.sha256(given + key["id"].encode()).hexdigest()
            if matches(digest, str(key.get("key", ""))):
                match = key
                break
        if match is None:
            raise NoSession("Invalid API Key")
        privileges, categories, groups = effective(match, self._roles.all())
        account = Account(
            kind="api_key",
            name=match["id"],
            title=str(match.get("title", "")),
            privileges=privileges,
            categories=categories,
            groups=groups,
        )
        return _Found(account, _number(match.get("expires")), _number(match.get("max_per_sec")))

    def _count(self, found: _Found, second: int) -> None:
        usage = self._usage.get(found.account.name)
        if usage is None:
            usage = self._usage[found.account.name] = [second, 0]
        elif usage[0] != second:
            usage[0], usage[1] = second, 0
        usage[1] += 1
        if found.max_per_sec and usage[1] > found.max_per_sec:
            raise Refusal("rate", f"API Key has exceeded rate limit ({found.max_per_sec:g}/sec)")


def _number(value: object) -> float:
    """A stored limit as a number; anything else counts as no limit."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else 0.0
    except ValueError:
        return 0.0
