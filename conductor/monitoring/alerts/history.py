"""The last hour's evaluations of every alert on every server, in a few bytes each."""

from collections import deque
from collections.abc import Sequence

from conductor.monitoring.alerts.evaluation import FAILED, FALSE, NOT_EVALUATED, TRUE
from conductor.monitoring.alerts.rules import Rule

KEPT = 60
"""Evaluations of an alert on a server: an hour of minutes."""
WORDS = {NOT_EVALUATED: "not_evaluated", FALSE: "false", TRUE: "true", FAILED: "error"}

_BITS = 2 * KEPT
_MASK = (1 << _BITS) - 1


class _OfServer:
    __slots__ = ("dates", "number", "results")

    def __init__(self) -> None:
        self.dates: deque[int] = deque(maxlen=KEPT)
        self.number = 0
        """Samples taken: says how far behind an alert's results are."""
        self.results: dict[str, tuple[int, int]] = {}
        """By alert: the results, newest in the lowest two bits, and the number of the newest sample."""


class History:
    def __init__(self) -> None:
        self._servers: dict[str, _OfServer] = {}

    def add(self, server_id: str, date: int, rules: Sequence[Rule], results: Sequence[int]) -> None:
        own = self._servers.get(server_id)
        if own is None:
            own = self._servers[server_id] = _OfServer()
        own.dates.append(date)
        own.number = number = own.number + 1
        kept = own.results
        for rule, result in zip(rules, results, strict=True):
            bits, newest = kept.get(rule.id, (0, number - 1))
            shift = 2 * (number - newest)
            kept[rule.id] = ((bits << shift & _MASK) | result if shift <= _BITS else result, number)
        if len(kept) > len(rules):
            for alert_id in [key for key, (_, newest) in kept.items() if number - newest >= KEPT]:
                del kept[alert_id]

    def of(self, server_id: str, alert_id: str) -> list[tuple[int, str]]:
        """(date, result) of each evaluation, oldest first; samples on which it was not evaluated are told so."""
        own = self._servers.get(server_id)
        if own is None or alert_id not in own.results:
            return []
        bits, newest = own.results[alert_id]
        bits = bits << 2 * (own.number - newest) & _MASK
        rows = []
        for place, date in enumerate(reversed(own.dates)):
            rows.append((date, WORDS[bits >> 2 * place & 3]))
        return rows[::-1]

    def last(self, server_id: str) -> int:
        """When the server was evaluated last; 0 if it was not."""
        own = self._servers.get(server_id)
        return own.dates[-1] if own and own.dates else 0

    def forget(self, server_id: str) -> None:
        self._servers.pop(server_id, None)

    def clear(self) -> None:
        self._servers.clear()
