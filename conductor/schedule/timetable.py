"""All enabled triggers of one event put together (contract scheduler.md §5-§7, §10). Pure and immutable."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from conductor.definitions.json_values import is_number, truthy
from conductor.errors import BadParameter
from conductor.schedule.triggers.base import LATEST, MINUTE, Launching
from conductor.schedule.triggers.modifiers import (
    Blackout,
    CatchUp,
    Delay,
    Nth,
    PluginTrigger,
    Precision,
    Quiet,
    Range,
)
from conductor.schedule.triggers.moments import Interval, Single
from conductor.schedule.triggers.reading import read
from conductor.schedule.triggers.schedule import Schedule

Doc = Mapping[str, Any]
T = TypeVar("T")

STARTUP = "startup"
_MOST_SPANS = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """A launching trigger where it stands in the event."""

    index: int
    """From 0, disabled triggers counted."""
    doc: Doc
    trigger: Launching

    @property
    def name(self) -> str:
        """What marks its firings: its own ID where it has one, since entries may be moved."""
        return str(self.doc.get("id") or self.index)


@dataclass(frozen=True, slots=True)
class Modifier:
    index: int
    doc: Doc
    trigger: Range | Blackout


class Launch(NamedTuple):
    """One job that a minute asks for."""

    entry: Entry
    minute: int
    second: int | None
    """Of a trigger or modifier that names seconds; None for the minute itself."""
    until: float | None
    """The moment before which the job must not start."""

    @property
    def now(self) -> int:
        """The scheduled time that the job carries."""
        return self.minute + (self.second or 0)


@dataclass(frozen=True, slots=True)
class Timetable:
    """What `read_timetable` makes of an event's triggers."""

    event_id: str
    entries: tuple[Entry, ...] = ()
    ranges: tuple[Modifier, ...] = ()
    blackouts: tuple[Modifier, ...] = ()
    nth: Nth | None = None
    catch_up: CatchUp | None = None
    delay: Delay | None = None
    precision: Precision | None = None
    quiet: Quiet | None = None
    plugin: PluginTrigger | None = None
    plugin_doc: Doc | None = None

    def next_minute(self, after: float) -> int | None:
        """The first minute later than `after` in which something launches, nth and plugin not asked."""
        while (minute := self.next_match(after)) is not None:
            free_from = self._free_from(minute)
            if free_from == minute:
                return minute
            if free_from is None:
                return None
            after = free_from - MINUTE
        return None

    def next_match(self, after: float) -> int | None:
        """The first minute later than `after` that a launching trigger names, whatever modifiers say."""
        found = [minute for one in self.entries if (minute := one.trigger.next_minute(after)) is not None]
        return min(found, default=None)

    def chosen(self, minute: int) -> list[Entry]:
        """The launching triggers that name this minute, in their order."""
        return [one for one in self.entries if one.trigger.next_minute(minute - MINUTE) == minute]

    def outside_ranges(self, minute: int) -> bool:
        return bool(self.ranges) and not any(one.trigger.contains(minute) for one in self.ranges)

    def blackout_at(self, minute: int) -> Modifier | None:
        return next((one for one in self.blackouts if one.trigger.contains(minute)), None)

    def launches(self, minute: int) -> list[Launch]:
        """What a minute that runs asks for: triggers in order, then seconds in order."""
        return [launch for entry in self.chosen(minute) for launch in self._of(entry, minute)]

    def _of(self, entry: Entry, minute: int) -> list[Launch]:
        if self.plugin is not None:
            return [Launch(entry, minute, None, None)]
        seconds = entry.trigger.seconds(minute)
        if seconds is None and self.precision is not None:
            seconds = tuple(sorted(set(self.precision.seconds)))
        made = []
        for second in (None,) if seconds is None else seconds:
            wait = (self.delay.duration if self.delay else 0) + self._splay(entry, minute)
            until = None if second is None and not wait else minute + (second or 0) + wait
            made.append(Launch(entry, minute, second, until))
        return made

    def _splay(self, entry: Entry, minute: int) -> float:
        """A trigger's `splay` spreads its starts: chance, but the same one for whoever works it out again."""
        splay = entry.doc.get("splay")
        if not is_number(splay) or splay <= 0:
            return 0.0
        digest = hashlib.sha256(f"{self.event_id}/{entry.name}/{minute}".encode()).digest()
        return round(int.from_bytes(digest[:6]) / 2**48 * splay, 3)

    def _free_from(self, minute: int) -> int | None:
        """This minute, or the first later one that no range and no blackout is known to refuse; None: never."""
        if self.outside_ranges(minute):
            starts = [
                one.trigger.start
                for one in self.ranges
                if one.trigger.start is not None and one.trigger.start > minute
            ]
            return min(starts, default=None)
        blackout = self.blackout_at(minute)
        if blackout is None:
            return minute
        end = blackout.trigger.end
        return None if end is None or end >= LATEST else end + MINUTE


def read_timetable(event: Doc, server_zone: str) -> Timetable | None:
    """The event's enabled triggers; None when none of them launches by itself. Raises BadParameter."""
    triggers = event.get("triggers")
    entries: list[Entry] = []
    spans: list[Modifier] = []
    others: list[Any] = []
    plugin_doc = None
    for index, doc in enumerate(triggers if isinstance(triggers, list) else ()):
        if not isinstance(doc, dict) or not truthy(doc.get("enabled")):
            continue
        value = read(doc, server_zone)
        if isinstance(value, Schedule | Interval | Single):
            entries.append(Entry(index, doc, value))
        elif isinstance(value, Range | Blackout):
            spans.append(Modifier(index, doc, value))
        elif value is not None:
            others.append(value)
            if isinstance(value, PluginTrigger):
                plugin_doc = plugin_doc or doc
    if not entries:
        return None
    if len(spans) > _MOST_SPANS:
        raise BadParameter(f"More than {_MOST_SPANS} ranges and blackouts")
    return Timetable(
        str(event["id"]),
        tuple(entries),
        tuple(one for one in spans if isinstance(one.trigger, Range)),
        tuple(one for one in spans if isinstance(one.trigger, Blackout)),
        _first(others, Nth),
        _first(others, CatchUp),
        _first(others, Delay),
        _first(others, Precision),
        _first(others, Quiet),
        _first(others, PluginTrigger),
        plugin_doc,
    )


def startup_trigger(event: Doc) -> Doc | None:
    """The event's first enabled startup trigger."""
    triggers = event.get("triggers")
    for trigger in triggers if isinstance(triggers, list) else ():
        if isinstance(trigger, dict) and trigger.get("type") == STARTUP and truthy(trigger.get("enabled")):
            return trigger
    return None


def _first(values: Sequence[Any], kind: type[T]) -> T | None:
    return next((one for one in values if isinstance(one, kind)), None)
