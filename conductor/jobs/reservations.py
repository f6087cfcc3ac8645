"""Jobs that a server got since its last sample could show them (contract jobs.md, "Where to be better" 10).

Load and memory are up to a minute old. Without this every job of that minute would go to the server that was
the idlest at its beginning.
"""

from collections import deque

from shared import clock

WINDOW_SECONDS = 60.0
"""How long a job that was given to a server may be invisible in its samples."""


class Reservations:
    """How many jobs each server was given within the window, kept by second."""

    def __init__(self) -> None:
        self._given: dict[str, deque[tuple[int, int]]] = {}

    def add(self, server: str) -> None:
        second = int(clock.monotonic())
        given = self._given.get(server)
        if given is None:
            given = self._given[server] = deque()
        if given and given[-1][0] == second:
            given[-1] = (second, given[-1][1] + 1)
        else:
            given.append((second, 1))
            while given[0][0] < second - WINDOW_SECONDS:
                given.popleft()

    def of(self, server: str) -> int:
        """Jobs that the server was given within the window."""
        given = self._given.get(server)
        if given is None:
            return 0
        oldest = clock.monotonic() - WINDOW_SECONDS
        while given and given[0][0] < oldest:
            given.popleft()
        if not given:
            del self._given[server]
        return sum(count for _, count in given)
