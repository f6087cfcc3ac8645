"""Whose queue is asked first when a server has room again (contract jobs.md §9).

Queues that wait for a server, not for a slot of their own, take turns: the one that was asked longest ago comes
first, those with a priority job before all others. So one event's long queue cannot keep the others from a
server that they share, and no freed slot has to look at every queue.
"""


class Turns:
    """Names of queues whose first job found no server."""

    def __init__(self) -> None:
        self._urgent: dict[str, None] = {}
        self._others: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._urgent) + len(self._others)

    def wait(self, line: str, *, urgent: bool) -> None:
        """The queue's first job found no server; one that waits already keeps its place."""
        here, elsewhere = (self._urgent, self._others) if urgent else (self._others, self._urgent)
        elsewhere.pop(line, None)
        here.setdefault(line)

    def served(self, line: str) -> None:
        """The queue's first job has a server, or waits no more."""
        self._urgent.pop(line, None)
        self._others.pop(line, None)

    def next(self, most: int) -> list[str]:
        """The queues to ask now, at most so many; they go to the end of the line by that."""
        asked: list[str] = []
        for waiting in (self._urgent, self._others):
            some = list(_first(waiting, most - len(asked)))
            for line in some:
                del waiting[line]
                waiting[line] = None
            asked += some
        return asked

    def all(self) -> list[str]:
        """Every queue that waits, in turn."""
        return [*self._urgent, *self._others]


def _first(lines: dict[str, None], most: int) -> list[str]:
    found: list[str] = []
    for line in lines:
        if len(found) >= most:
            break
        found.append(line)
    return found
