"""The clock of one term: each minute it launches what is due (contract scheduler.md §1, §5-§13).

Nothing that fired lives in memory alone. A launch is recorded with its job (`live/firings.py`); the cursor of the
schedule as a whole moves past a minute when all its launches are promised or refused; and a new primary goes
on from there. So a crash at any point repeats at most the working out, and the marks tell what had been done.
"""

import asyncio
from collections.abc import Callable

import structlog

from conductor.announcer import Signals
from conductor.definitions.json_values import truthy
from conductor.definitions.repository import Definitions
from conductor.errors import BadParameter, Deposed, Refusal, Unavailable
from conductor.live.firings import Firings
from conductor.schedule.batches import Batches, PluginFiles
from conductor.schedule.eligibility import why_not
from conductor.schedule.evaluation import evaluate
from conductor.schedule.firing import Firer, Work
from conductor.schedule.index import Index, Slot
from conductor.schedule.launches import Doc, Launches
from conductor.schedule.minutes import Minutes
from conductor.schedule.plugins import TriggerPlugins
from conductor.schedule.progress import Progress
from conductor.schedule.refusals import Refusals
from conductor.schedule.startup import Startup
from conductor.schedule.timetable import read_timetable
from conductor.schedule.triggers.base import MINUTE, floored
from conductor.schedule.triggers.zones import server_zone
from conductor.schedule.turns import Turns, booked
from conductor.settings import Settings
from conductor.signals import Activity, DefinitionChanged, Signal
from shared import clock

LOOK_SECONDS = 1.0
"""How often the clock is looked at, so that its jumps are noticed soon."""
_AT_ONCE = 2_000
"""Events that one look takes on."""
_SLICE = 500
"""Minutes of one event that one look takes on: a long catch-up leaves room for the others."""
_COPIED = 200
"""Cursors that are copied for clients in one minute."""
_INDEXED_TOGETHER = 200

log = structlog.get_logger(__name__)


class Scheduler:
    def __init__(
        self,
        definitions: Definitions,
        firings: Firings,
        launches: Launches,
        plugins: TriggerPlugins,
        settings: Settings,
        signals: Signals,
        *,
        files: PluginFiles | None = None,
        uptime: Callable[[], float] = lambda: 0.0,
        started: str = "",
        now: Callable[[], float] = clock.now,
    ) -> None:
        """`uptime`: seconds that this process has run; `started` names this start of it."""
        self._definitions = definitions
        self._state = definitions.state
        self._launches = launches
        self._now = now
        self._grace = int(settings.scheduler_grace_sec)
        self.zone = server_zone(settings.tz)
        self.refusals = Refusals(signals)
        self.turns = Turns(self._state, firings)
        stagger = settings.scheduler_stagger_ms / 1000
        self._firer = Firer(launches, self.turns, self.refusals, stagger=stagger, now=now)
        self._batches = Batches(plugins, launches, self._firer, signals, zone=self.zone, files=files)
        self._progress = Progress(firings)
        self.startup = Startup(
            definitions, self._firer, self._progress, settings,
            uptime=uptime, started=started, now=now, enabled=lambda: self.enabled, why_not=self.why_not,
        )  # fmt: skip
        self.index = Index()
        self._minutes = Minutes(0, self._grace)
        self._changed: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._seen = 0
        """Version of the events that the index was built from, and how many changes it has been told since."""
        self._told = 0
        self._orders = 0
        self._paused = False
        self._blocked: set[str] = set()
        """Events that would catch up if their category or plugin were enabled."""
        self._group: asyncio.TaskGroup | None = None
        self.opened = False
        self.looks = 0
        """How often everything that was due had been launched."""

    @property
    def evaluated(self) -> int:
        """The latest minute that has been evaluated."""
        return self._minutes.done

    @property
    def enabled(self) -> bool:
        """The master switch (contract scheduler.md §2)."""
        switch = self._state.get("scheduler").get("enabled")
        return switch is None or truthy(switch)

    def notice(self, signal: Signal) -> None:
        """A definition or the state has changed; looked at soon."""
        if isinstance(signal, DefinitionChanged) and signal.kind == "events":
            self._told += 1
            self._mark_changed(str(signal.item.get("id", "")))
        elif isinstance(signal, Activity) and signal.action == "state_update":
            parts = str(signal.payload.get("key", "")).replace(".", "/").split("/")
            if parts[0] == "events" and len(parts) > 1:
                self._mark_changed(parts[1])
            self.wake()

    async def run(self) -> None:
        """Until cancelled. Raises Deposed when another conductor is primary."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            await self.open()
            group.create_task(self.startup.run(), name="startup triggers")
            while True:
                try:
                    busy = await self.look()
                except Deposed:
                    raise
                except Unavailable as error:
                    log.warning("the schedule waits for its stores", error=str(error))
                    busy = False
                except Exception:
                    log.exception("a look at the schedule failed")
                    busy = False
                if not busy:
                    self.looks += 1
                    await self._pause()

    def wake(self) -> None:
        """Look now, not only at the next second."""
        self._wake.set()

    async def open(self) -> None:
        """Where an earlier primary stopped, and everything that is defined."""
        minute = floored(self._now())
        done = self._progress.resume(minute, self.startup.mark(""))
        if done > minute + self._grace:
            log.error("the schedule's cursor was written under a wrong clock, it is left out", cursor=done)
            done = minute
        self._minutes = Minutes(done, self._grace)
        # Before anything fires: else a death in the first minute would leave nothing to go on from.
        await self._progress.done(done, [], {}, keep=True)
        self._seen, self._told = self._definitions.version("events"), 0
        for number, event in enumerate(self._definitions.all("events"), 1):
            self._take(event)
            if number % _INDEXED_TOGETHER == 0:
                await asyncio.sleep(0)
        try:
            await self.turns.save()
        except Unavailable as error:
            log.warning("cursors that were set wait to be saved", error=str(error))
        self.opened = True
        log.info("schedule opened", events=len(self.index), zone=self.zone, done=self._minutes.done)

    async def look(self) -> bool:
        """Launch what is due by now. True: more is due than one look takes on."""
        await self._take_changes()
        minute = floored(self._now())
        if not self.enabled:
            await self._switched_off(minute)
            return False
        self._paused = False
        stretch = self._minutes.next(minute)
        if stretch is not None and stretch.skipped:
            log.warning("minutes were missed and are too long ago", seconds=stretch.skipped, now=minute)
        if stretch is not None and stretch.back:
            self._reposition(stretch.after)
        until = minute if stretch is not None else min(minute, self._minutes.done)
        since = stretch.after if stretch is not None else until
        work = self._due(since, until)
        plain = [one for one in work if one.slot.timetable.plugin is None]
        self._ask([one for one in work if one.slot.timetable.plugin is not None], until)
        marks = await self._firer.fire(plain)
        self._note(plain)
        if stretch is not None:
            self._copy_cursors(until)
        await self.turns.save()
        behind = self.index.has_due(until)
        if work or stretch is not None:
            await self._progress.done(until, marks, _cursors(plain), keep=behind or bool(self._blocked))
        return behind

    # Inside: what is due

    def _due(self, since: int, until: int) -> list[Work]:
        """Take due events out of the index, evaluate them and put them back with what comes next."""
        found = []
        for slot in self.index.due(until, _AT_ONCE):
            try:
                found.append(self._evaluated(slot, since, until))
            except Exception:
                # One event's trouble harms no other (contract: where to be better, 9).
                log.exception("an event cannot be evaluated, it is left out", event_id=slot.event_id)
                self.index.drop(slot.event_id)
        return found

    def _evaluated(self, slot: Slot, since: int, until: int) -> Work:
        if not slot.catches_up:
            slot.turn = slot.turn._replace(done=max(slot.turn.done, since))
        slot.blocked = False
        self._blocked.discard(slot.event_id)
        if self.why_not(slot.doc):
            if slot.catches_up:  # its cursor stays where it is, and it is looked at again in a minute
                slot.blocked, slot.next = True, until + MINUTE
                self._blocked.add(slot.event_id)
                self.index.put(slot)
            else:
                self._put(slot, until)
            return Work(slot, [], slot.turn)
        evaluation = evaluate(slot.timetable, slot.turn, until, most=_SLICE)
        slot.turn = evaluation.turn
        self._put(slot, slot.turn.done)
        return Work(slot, evaluation.due, slot.turn)

    def why_not(self, event: Doc) -> str:
        """Why the schedule does not consider this event now; empty when it does."""
        category = self._definitions.get("categories", str(event.get("category")))
        return why_not(event, category, self._definitions.get("plugins", str(event.get("plugin"))))

    def _put(self, slot: Slot, done: int) -> None:
        slot.next = slot.timetable.next_minute(done)
        self.index.put(slot)

    def _reposition(self, after: int) -> None:
        """The clock went back to minutes that it had jumped over."""
        for slot in self.index:
            if not slot.catches_up:
                slot.turn = slot.turn._replace(done=after)
                self._put(slot, after)

    def _note(self, work: list[Work]) -> None:
        """Only what is promised counts: a turn that was saved earlier would lose what a death leaves undone."""
        for one in work:
            if not one.slot.blocked and not one.turn.held:
                self.turns.note(one.slot.timetable, one.turn)

    def _ask(self, work: list[Work], until: int) -> None:
        """Plugins take their time: the schedule goes on, and its cursor waits for them."""
        if work and self._group is not None:
            self._progress.begin(until)
            self._group.create_task(self._asked(work, until), name="trigger plugins")

    async def _asked(self, work: list[Work], until: int) -> None:
        marks: list[str] = []
        try:
            marks = await self._batches.decide(work)
            self._note(work)
            await self.turns.save()
        except* Unavailable as errors:
            log.warning("the schedule waits for its stores", error=str(errors.exceptions[0]))
        try:
            await self._progress.end(until, marks, _cursors(work))
        except Unavailable as error:
            log.warning("the schedule waits for its stores", error=str(error))

    # Inside: definitions and state

    def _mark_changed(self, event_id: str) -> None:
        self._changed[event_id] = None
        self.wake()

    async def _take_changes(self) -> None:
        """Bring the index up to date with what was told, and with what was not."""
        version = self._definitions.version("events")
        if version != self._seen + self._told and not self._changed:
            self._find_untold()
            self._seen, self._told = version, 0
        changed, self._changed = self._changed, {}
        gone: dict[str, str] = {}
        for event_id in changed:
            slot = self.index.get(event_id)
            if slot is not None and slot.catches_up:
                self.turns.note_done(slot.timetable, slot.done(self._minutes.done))
            self.index.drop(event_id)
            self._blocked.discard(event_id)
            event = self._definitions.get("events", event_id)
            if event is None:
                self.turns.forget(event_id)
                self.refusals.forget(event_id)
                gone[event_id] = ""
            else:
                self._take(event, slot)
        if changed:
            await self.turns.save()
        if gone:
            await self._progress.forget(gone)

    def _find_untold(self) -> None:
        """Definitions that were restored, or whose signal was lost: a look at all of them, without reading them."""
        known = {slot.event_id: slot.doc for slot in self.index}
        for event in self._definitions.all("events"):
            if known.pop(str(event["id"]), None) is not event:
                self._changed[str(event["id"])] = None
        self._changed.update(dict.fromkeys(known))

    def _take(self, event: Doc, before: Slot | None = None) -> None:
        """Index an event as it is now."""
        if not truthy(event.get("enabled")):
            return
        try:
            timetable = read_timetable(event, self.zone)
        except (BadParameter, TypeError, ValueError, OverflowError) as error:
            text = error.description if isinstance(error, Refusal) else str(error)
            self.refusals.note(event, f"Its triggers cannot be read: {text}", minute=0, now=self._now())
            return
        if timetable is None:
            return
        turn, replay = self.turns.of(timetable, self._minutes.done)
        if before is None:
            self._orders += 1
        slot = Slot(event, timetable, before.order if before else self._orders, turn, replay)
        self._put(slot, turn.done)

    async def _switched_off(self, minute: int) -> None:
        """Minutes go by; events that catch up will have them back, so that their cursors must be known."""
        if not self._paused:
            self._paused = True
            for slot in self.index:
                if slot.catches_up:
                    self.turns.note_done(slot.timetable, slot.done(self._minutes.done))
            await self.turns.save()
        if minute > self._minutes.done:
            self._minutes.pass_by(minute)
            await self._progress.done(minute, [], {}, keep=False)

    def _copy_cursors(self, until: int) -> None:
        """Clients read the cursors of catch-up events from the state: some more of them each minute."""
        for slot in self.index.catching_up(_COPIED):
            done = slot.done(until)
            if slot.timetable.plugin is None and self.turns.behind(slot.event_id, done):
                self.turns.note_done(slot.timetable, done)

    # Inside: time

    async def _pause(self) -> None:
        """Until the next minute, a change or the next look at the clock."""
        rest = MINUTE - self._now() % MINUTE
        try:
            async with asyncio.timeout(min(rest + 0.001, LOOK_SECONDS)):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()


def _cursors(work: list[Work]) -> dict[str, str]:
    """Where catch-up events stand after this work."""
    return {
        one.slot.event_id: booked(one.slot.replay, one.turn.done)
        for one in work
        if one.slot.catches_up and not one.slot.blocked and not one.turn.held
    }
