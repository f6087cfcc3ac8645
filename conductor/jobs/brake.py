"""The cap on launches a minute (`max_jobs_per_min`): who must not wait is refused, who may wait gets a time."""

from collections import deque

from conductor.errors import Refusal

_WINDOW = 60.0


class Brake:
    """Counts launches of the last minute, and those that have been promised a later time."""

    def __init__(self, most: int) -> None:
        """`most` launches in any 60 seconds; 0 is off."""
        self._most = most
        self._taken: deque[float] = deque()
        """Monotonic times of launches, past and promised, in order; no more than count."""

    def wait(self, now: float, *, patient: bool) -> float:
        """Seconds that this launch must wait; it is counted. `now` is monotonic.

        Raises Refusal (`event`) for an impatient one that would have to wait.
        """
        if self._most <= 0:
            return 0.0
        room = now + self.ahead(now)
        if room > now and not patient:
            raise Refusal(
                "event", f"Failed to launch event: Maximum of {self._most} jobs per minute reached."
            )
        self._taken.append(room)
        if len(self._taken) > self._most:
            self._taken.popleft()
        return room - now

    def ahead(self, now: float) -> float:
        """Seconds that a patient launch would have to wait; nothing is counted."""
        if self._most <= 0 or len(self._taken) < self._most:
            return 0.0
        return max(self._taken[0] + _WINDOW - now, 0.0)
