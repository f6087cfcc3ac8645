"""How often a channel may be notified within a minute, and how many notifications it held back.

A storm of failing jobs notifies a channel as often as it may; the next one says how many others there were.
"""

from collections import deque
from dataclasses import dataclass, field

_MINUTE = 60.0


@dataclass(slots=True)
class _Window:
    sent: deque[float] = field(default_factory=deque)
    held: int = 0


class Throttle:
    """One for a term. Channels without a limit are not remembered."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def take(self, channel_id: str, most: float, moment: float) -> int | None:
        """Count one notification at a monotonic time; None when `most` were sent in the minute before it.

        Otherwise how many have been held back since the last one that was sent.
        """
        if most <= 0:
            self._windows.pop(channel_id, None)
            return 0
        window = self._windows.setdefault(channel_id, _Window())
        while window.sent and window.sent[0] <= moment - _MINUTE:
            window.sent.popleft()
        if len(window.sent) >= most:
            window.held += 1
            return None
        window.sent.append(moment)
        held, window.held = window.held, 0
        return held
