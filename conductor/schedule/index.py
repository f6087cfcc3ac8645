"""Which events are due next: a heap of minutes, so that a tick costs what fires and not what is defined."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from conductor.schedule.evaluation import Turn
from conductor.schedule.launches import Doc
from conductor.schedule.timetable import Timetable


@dataclass(slots=True)
class Slot:
    """One event in the index. `doc` and `timetable` are what it was indexed with."""

    doc: Doc
    timetable: Timetable
    order: int
    """Its place in the list of events."""
    turn: Turn
    replay: int = 0
    """How often its cursor has been set by hand: marks of one replay say nothing about the next."""
    next: int | None = None
    blocked: bool = False
    """It is behind and may not catch up now: its category or plugin is disabled."""

    @property
    def event_id(self) -> str:
        return self.timetable.event_id

    @property
    def catches_up(self) -> bool:
        return self.timetable.catch_up is not None

    def done(self, evaluated: int) -> int:
        """The last minute that it needs not look at again, when the schedule stands at `evaluated`."""
        if not self.blocked and (self.next is None or self.next > evaluated):
            return max(self.turn.settled, evaluated)
        return self.turn.settled


class Index:
    def __init__(self) -> None:
        self._slots: dict[str, Slot] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._catching_up: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Slot]:
        return iter(list(self._slots.values()))

    def get(self, event_id: str) -> Slot | None:
        return self._slots.get(event_id)

    def put(self, slot: Slot) -> None:
        """Add or replace an event; it is due at its `next`."""
        self._slots[slot.event_id] = slot
        if slot.catches_up:
            self._catching_up.setdefault(slot.event_id)
        if slot.next is not None:
            heapq.heappush(self._heap, (slot.next, slot.order, slot.event_id))

    def drop(self, event_id: str) -> None:
        self._slots.pop(event_id, None)
        self._catching_up.pop(event_id, None)

    def due(self, until: int, most: int) -> list[Slot]:
        """Take at most `most` events due up to `until`, the longest due first; each is to be `put` again.

        They are answered in the order of the list of events.
        """
        found: dict[str, Slot] = {}
        while self._heap and self._heap[0][0] <= until and len(found) < most:
            minute, _, event_id = heapq.heappop(self._heap)
            slot = self._slots.get(event_id)
            if slot is not None and slot.next == minute:  # else it has changed since
                found[event_id] = slot
        return sorted(found.values(), key=lambda slot: slot.order)

    def catching_up(self, most: int) -> list[Slot]:
        """At most `most` of the events that catch up, each time others."""
        some = list(islice(self._catching_up, most))
        for event_id in some:
            self._catching_up[event_id] = self._catching_up.pop(event_id)
        return [self._slots[event_id] for event_id in some]

    def has_due(self, until: int) -> bool:
        while self._heap:
            minute, _, event_id = self._heap[0]
            slot = self._slots.get(event_id)
            if slot is not None and slot.next == minute:
                return minute <= until
            heapq.heappop(self._heap)  # it has changed since
        return False
