"""Satellites that were refused: told of, but not once for each of a thousand attempts.

Anybody who reaches the port can be refused as often as he likes (contract satellite_protocol.md, "better" 9).
"""

from dataclasses import dataclass

_WINDOW_SECONDS = 60.0
_MOST_KEPT = 1_000
_SWEEP_SECONDS = 1.0


@dataclass(slots=True)
class _Told:
    at: float
    swallowed: int = 0


class Refusals:
    """What was told lately. Times are monotonic seconds; memory is bounded."""

    def __init__(self) -> None:
        self._told: dict[str, _Told] = {}
        self._full_until = 0.0
        """Not looked through again before: a flood must not make each refusal costly."""
        self._failures: dict[str, list[float]] = {}

    def note(self, text: str, now: float) -> str | None:
        """What to tell of a refusal with this text: it, or None while it was told less than a minute ago.

        What was swallowed meanwhile is counted in the next one.
        """
        told = self._told.get(text)
        if told is not None and now - told.at < _WINDOW_SECONDS:
            told.swallowed += 1
            return None
        if told is None and len(self._told) >= _MOST_KEPT:
            if now >= self._full_until:
                self._drop_old(now)
            if len(self._told) >= _MOST_KEPT:
                return None
        self._told[text] = _Told(now)
        repeated = told.swallowed if told is not None else 0
        return f"{text} (and {repeated} times before)" if repeated else text

    def failed(self, address: str, now: float) -> None:
        """A join from this address had wrong credentials."""
        if address not in self._failures and len(self._failures) >= _MOST_KEPT:
            del self._failures[next(iter(self._failures))]  # the one that came first
        window = self._failures.setdefault(address, [now, 0])
        if now - window[0] >= _WINDOW_SECONDS:
            window[:] = [now, 0]
        window[1] += 1

    def failures(self, address: str, now: float) -> int:
        """Wrong credentials from this address within the present minute."""
        window = self._failures.get(address)
        return int(window[1]) if window is not None and now - window[0] < _WINDOW_SECONDS else 0

    def _drop_old(self, now: float) -> None:
        self._told = {key: one for key, one in self._told.items() if now - one.at < _WINDOW_SECONDS}
        self._full_until = now + _SWEEP_SECONDS
