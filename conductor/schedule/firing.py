"""Carrying out what is due: launches in order, each until it is promised or refused."""

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog

from conductor.errors import Deposed, Refusal, Unavailable
from conductor.schedule.building import built
from conductor.schedule.evaluation import Due, Turn
from conductor.schedule.index import Slot
from conductor.schedule.launches import Launches, ScheduledLaunch
from conductor.schedule.refusals import Refusals
from conductor.schedule.timetable import Launch
from conductor.schedule.turns import Turns
from shared import faults

_RETRY_SECONDS = 1.0
_TOGETHER = 500
"""Events whose launches are under way at the same time."""

log = structlog.get_logger(__name__)


class Work(NamedTuple):
    """What one look at the schedule found for one event."""

    slot: Slot
    due: list[Due]
    turn: Turn
    """Where the event stands once all of it is promised."""


class Firer:
    def __init__(
        self,
        launches: Launches,
        turns: Turns,
        refusals: Refusals,
        *,
        stagger: float,
        now: Callable[[], float],
    ) -> None:
        """`stagger`: seconds between the starts of jobs of one minute; 0 for none."""
        self._launches = launches
        self._turns = turns
        self._refusals = refusals
        self._stagger = stagger
        self._now = now

    async def fire(self, work: Sequence[Work]) -> list[str]:
        """Launch everything that is due; answers the marks. Returns when each is promised or refused.

        Events side by side, in the order given; the minutes of one event one after the other, so that its
        cursor never passes a launch that is not promised.
        """
        marks: list[str] = []
        place = 0
        for start in range(0, len(work), _TOGETHER):
            async with asyncio.TaskGroup() as group:
                for one in work[start : start + _TOGETHER]:
                    group.create_task(self._event(one, marks, place))
                    place += sum(len(due.launches) for due in one.due)
        if marks:
            faults.reach("conductor.fired")
        return marks

    async def _event(self, work: Work, marks: list[str], place: int) -> None:
        for due in work.due:
            made = self.made(work.slot, due, place)
            place += len(made)
            marks += [launch.firing.mark for launch in made]
            if len(made) > 1:
                await asyncio.gather(*(self.launch(work.slot, launch) for launch in made[:-1]))
            if made:
                await self.launch(work.slot, made[-1])

    def made(self, slot: Slot, due: Due, place: int = 0) -> list[ScheduledLaunch]:
        """The launches of a minute; none, and a refusal, for an event that none can be made of."""
        made = []
        try:
            for number, launch in enumerate(due.launches, 1):
                last = number == len(due.launches)
                firing = self._turns.firing(slot.timetable, launch, slot.replay, last=last)
                made.append(
                    built(slot.doc, self._staggered(launch, place + number - 1), slot.timetable, firing)
                )
        except (TypeError, ValueError, LookupError, AttributeError) as error:
            log.exception("launches of an event cannot be made", event_id=slot.event_id)
            text = f"Failed to launch event: {type(error).__name__}"
            self._note(slot, due.minute, text)
            return []
        return made

    def _staggered(self, launch: Launch, place: int) -> Launch:
        if not self._stagger:
            return launch
        return launch._replace(until=max(launch.until or 0, self._now() + place * self._stagger))

    async def launch(self, slot: Slot, launch: ScheduledLaunch) -> None:
        """Until it is promised or refused for good. Raises Deposed."""
        faults.reach("conductor.due")
        while True:
            try:
                await self._launches.launch(launch)
            except Unavailable as error:
                log.warning("a scheduled launch waits", event_id=slot.event_id, error=str(error))
                await asyncio.sleep(_RETRY_SECONDS)
            except Refusal as refusal:
                self.refused(slot, launch, refusal.description)
                return
            except Deposed:
                raise
            except Exception as error:
                log.exception("a scheduled launch failed", event_id=slot.event_id)
                self.refused(slot, launch, f"Failed to launch event: {type(error).__name__}")
                return
            else:
                return

    def refused(self, slot: Slot, launch: ScheduledLaunch, description: str) -> None:
        """Nothing comes of this launch, and people are told why."""
        self._note(slot, launch.fired.minute, description)

    def _note(self, slot: Slot, minute: int, description: str) -> None:
        if self._refusals.note(slot.doc, description, minute=minute, now=self._now()):
            log.warning("scheduled launch refused", event_id=slot.event_id, minute=minute, reason=description)
            self._turns.note_refusal(slot.event_id, self._refusals.of(slot.event_id) or {})
