"""Going out of service: nothing new is taken, what is held is finished, then the satellite ends. Pure.

A conductor that speaks `opsorbit.v1` is told and answers; what it launched before it knew is taken and finished
too. One that does not answer goes on launching: those jobs are refused, with a result that says so.
"""

from shared.clock import Seconds

REFUSAL = "Setup Error: Server is shutting down. Job cannot launch."
_PATIENCE: Seconds = 5.0
"""For the conductor's answer."""


class Draining:
    """`at` is monotonic time."""

    def __init__(self) -> None:
        self.begun = False
        self._told: Seconds | None = None
        self._heard = False

    def begin(self) -> None:
        self.begun = True

    def told(self, at: Seconds, *, answers: bool) -> None:
        """The conductor of a new connection was told. `answers`: its protocol has an answer to that."""
        self._told, self._heard = at, not answers

    def heard(self) -> None:
        """It knows: it launches nothing more."""
        self._heard = True

    def disconnected(self) -> None:
        self._told, self._heard = None, False

    def refuses(self, at: Seconds, *, answers: bool) -> bool:
        """Whether a launch that arrives now is refused."""
        return self.begun and (not answers or (not self._heard and self._waited(at)))

    def complete(self, held: int, at: Seconds) -> bool:
        """Nothing is held, and nothing can arrive any more."""
        return self.begun and not held and (self._told is None or self._heard or self._waited(at))

    def _waited(self, at: Seconds) -> bool:
        return self._told is not None and at - self._told > _PATIENCE
