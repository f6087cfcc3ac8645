"""How long to wait before dialling again (contract satellite_protocol.md §1.1). Pure but for the dice.

As the original's, with jitter: after a restart of the primary its satellites must not come back in step.
"""

import random

from shared.clock import Seconds

_AUTH_FACTOR = 10


class Backoff:
    """Delays double with each failure up to the most, and vary by a quarter."""

    def __init__(self, base: Seconds, most: Seconds) -> None:
        self._base = base
        self._most = max(most, base)
        self._delay = base

    @classmethod
    def after_refusal(cls, base: Seconds) -> "Backoff":
        """For a conductor that refused our credentials: it may be given new ones, so we ask, but rarely."""
        return cls(base, base * _AUTH_FACTOR)

    def opened(self) -> None:
        """A connection was made."""
        self._delay = self._base

    def failed(self) -> None:
        """A connection was not made."""
        self._delay = min(self._delay * 2, self._most)

    def delay(self) -> Seconds:
        return self._delay * random.uniform(0.75, 1.25)  # noqa: S311
