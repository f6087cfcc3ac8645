"""Failed logins, so that guessing ends soon and nobody can lock another out. Contract access.md §3.3.

Counted for each clock hour, or another window, by (address, account) and by address, in memory and within
bounds; the account's own counter is in its record. An address from which the account was used before is
spared the lock that strangers have caused, and has a counter of its own instead.
"""

from collections import Counter, OrderedDict

from shared.clock import now

_MOST = 50_000
"""Counters kept at a time. Beyond them the account's own counter still counts."""


class Attempts:
    """`limit` failures of one address on one account, `of_address` failures of one address on any.

    Both in a window of `seconds`, which begins on the clock.
    """

    def __init__(self, limit: int, of_address: int, seconds: int = 3600) -> None:
        self._limit = limit
        self.of_address = of_address
        self._seconds = seconds
        self._window = -1
        self._failures: Counter[tuple[str, str]] = Counter()
        self._known: OrderedDict[tuple[str, str], None] = OrderedDict()

    def exhausted(self, address: str, account: str) -> bool:
        """The address has failed too often on this account in this window."""
        self._roll()
        return self._failures[address, account] > self._limit

    def refused(self, address: str) -> bool:
        """The address has failed too often on any account in this window."""
        self._roll()
        return self._failures[address, ""] >= self.of_address

    def failed(self, address: str, account: str = "") -> int:
        """Count a failure; how many the address has now."""
        self._roll()
        for key in {(address, account), (address, "")}:
            if key in self._failures or len(self._failures) < _MOST:
                self._failures[key] += 1
        return self._failures[address, ""]

    def succeeded(self, address: str, account: str) -> None:
        """The account was used from this address."""
        self._known[address, account] = None
        self._known.move_to_end((address, account))
        if len(self._known) > _MOST:
            self._known.popitem(last=False)

    def knows(self, address: str, account: str) -> bool:
        return (address, account) in self._known

    def forgive(self, account: str) -> None:
        """The account was unlocked."""
        for key in [key for key in self._failures if key[1] == account]:
            del self._failures[key]

    def _roll(self) -> None:
        window = int(now() // self._seconds)
        if window != self._window:
            self._window = window
            self._failures.clear()
