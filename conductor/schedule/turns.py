"""Where each event stands, kept over restarts: cursors of catch-up and counters of nth.

Contract scheduler.md §8, §9, §16. The cursor that counts is the book's, written with each firing; global state
has a copy under the names of the contract, where clients read and set it. Beside it stand our own words:
`evaluated`, the value that we wrote last (so that another one in `cursor` was set by hand), `replay`, which counts
those, and `nth_at`, the last minute that `nth` has counted.
"""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import is_number, whole
from conductor.definitions.state import GlobalState
from conductor.live.firings import Firing, Firings
from conductor.schedule.evaluation import Turn
from conductor.schedule.launches import Doc
from conductor.schedule.timetable import Launch, Timetable
from conductor.schedule.triggers.base import floored


class Turns:
    def __init__(self, state: GlobalState, firings: Firings) -> None:
        self._state = state
        self._firings = firings
        self._unsaved: dict[str, dict[str, Any]] = {}

    def of(self, timetable: Timetable, evaluated: int) -> tuple[Turn, int]:
        """An event's turn and replay number, when the schedule stands at `evaluated`."""
        event_id = timetable.event_id
        state = {**self._state.latest(_path(event_id)), **self._unsaved.get(event_id, {})}
        replay = whole(state.get("replay")) or 0
        counter = state.get("nth")
        counted = whole(state.get("nth_at")) or 0
        done = evaluated
        if timetable.catch_up is not None:
            stored = cursor_in(state)
            booked = self._booked(event_id, replay)
            if set_by_hand(state) and stored is not None:
                done = counted = stored
                replay += 1
                self._note(event_id, cursor=stored, evaluated=stored, replay=replay, nth_at=stored)
            elif booked is not None or stored is not None:
                done = max(booked or 0, stored or 0)
        return Turn(done, counter if is_number(counter) else 0, counted), replay

    def note(self, timetable: Timetable, turn: Turn) -> None:
        """Remember to save what a later primary and clients need of this turn."""
        if timetable.nth is not None:
            self._note(timetable.event_id, nth=turn.counter, nth_at=turn.counted)
        self.note_done(timetable, turn.done)

    def note_done(self, timetable: Timetable, done: int) -> None:
        """As `note`, of the cursor alone; one that was set by hand meanwhile is left for `of` to take up."""
        if timetable.catch_up is not None and not self._set_unnoticed(timetable.event_id):
            self._note(timetable.event_id, cursor=done, evaluated=done)

    def note_refusal(self, event_id: str, refused: Mapping[str, Any]) -> None:
        self._note(event_id, refused=dict(refused))

    def refused(self, event_id: str) -> Doc | None:
        """The refusal that an earlier term has noted."""
        refused = self._state.get(_path(event_id)).get("refused")
        return refused if isinstance(refused, dict) else None

    def behind(self, event_id: str, done: int) -> bool:
        """Whether clients would read an older cursor than this."""
        return cursor_in(self._state.get(_path(event_id))) != done

    async def save(self) -> None:
        """What was noted, in one transaction. Raises Unavailable; then it is tried again with the next."""
        unsaved = dict(self._unsaved)
        for event_id, changes in unsaved.items():
            if self._set_unnoticed(event_id):
                changes.pop("cursor", None)  # set after ours was noted: `of` will take it up
                changes.pop("evaluated", None)
        if unsaved:
            await self._state.merge_many({_path(event_id): changes for event_id, changes in unsaved.items()})
        for event_id, changes in unsaved.items():
            if self._unsaved.get(event_id) is changes:
                del self._unsaved[event_id]

    def forget(self, event_id: str) -> None:
        """The event has been deleted, and its state with it."""
        self._unsaved.pop(event_id, None)

    def firing(self, timetable: Timetable, launch: Launch, replay: int, *, last: bool) -> Firing:
        """What is recorded with a launch; the last one of its minute moves the event's cursor."""
        event_id = timetable.event_id
        mark = f"{event_id}/{replay}/{launch.entry.name}/{launch.now}"
        if not last or timetable.catch_up is None or timetable.plugin is not None:
            return Firing(mark)
        return Firing(mark, event_id, booked(replay, launch.minute), self._firings.cursor(event_id))

    def _set_unnoticed(self, event_id: str) -> bool:
        """The cursor was set by hand, and `of` has not yet taken that up."""
        taken_up = "replay" in self._unsaved.get(event_id, {})
        return not taken_up and set_by_hand(self._state.latest(_path(event_id)))

    def _booked(self, event_id: str, replay: int) -> int | None:
        of_replay, _, minute = self._firings.cursor(event_id).partition(":")
        return int(minute) if minute.isdecimal() and of_replay == str(replay) else None

    def _note(self, event_id: str, **changes: Any) -> None:
        self._unsaved[event_id] = {**self._unsaved.get(event_id, {}), **changes}


def booked(replay: int, minute: int) -> str:
    """A cursor as the book has it."""
    return f"{replay}:{minute}"


def cursor_in(state: Mapping[str, Any]) -> int | None:
    """The cursor that an event's state holds."""
    value = state.get("cursor")
    return floored(value) if is_number(value) and 0 <= value < 10**12 else None


def set_by_hand(state: Doc) -> bool:
    return "cursor" in state and state.get("cursor") != state.get("evaluated")


def _path(event_id: str) -> str:
    return f"events/{event_id}"
