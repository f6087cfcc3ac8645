"""From a due moment to the launch it asks for (contract scheduler.md §10). Pure."""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.params import complete_params
from conductor.live.firings import NO_FIRING, Firing
from conductor.schedule.launches import ScheduledLaunch
from conductor.schedule.timetable import Launch, Timetable
from conductor.signals import Actor, EventFired
from shared import ids

Doc = Mapping[str, Any]

SCHEDULE = Actor(kind="schedule")


def built(event: Doc, launch: Launch, timetable: Timetable, firing: Firing) -> ScheduledLaunch:
    """The launch of a trigger's moment; each has a story (correlation ID) of its own."""
    trigger = launch.entry.doc
    doc = with_trigger(event, trigger)
    if timetable.quiet is not None:
        doc.update({name: True for name in ("invisible", "ephemeral") if getattr(timetable.quiet, name)})
    kind = launch.entry.trigger.TYPE
    return ScheduledLaunch(
        event=doc,
        source="plugin" if timetable.plugin else "scheduler",
        splugin=timetable.plugin.plugin_id if timetable.plugin else "",
        stype="" if kind == "schedule" else kind,
        now=launch.now,
        until=launch.until or 0,
        start=str(trigger.get("id") or ""),
        firing=firing,
        fired=_fired(event, trigger, launch.minute),
    )


def at_startup(event: Doc, trigger: Doc, mark: str, minute: int) -> ScheduledLaunch:
    """The launch of a startup trigger (contract scheduler.md §13)."""
    return ScheduledLaunch(
        event=with_trigger(event, trigger),
        source="startup",
        now=0,
        start=_start(event, trigger),
        firing=NO_FIRING._replace(mark=mark),
        fired=_fired(event, trigger, minute),
    )


def with_trigger(event: Doc, trigger: Doc) -> dict[str, Any]:
    """The event with a trigger's params, tags and data laid over it."""
    doc = dict(event)
    doc["params"] = complete_params(
        _object(trigger.get("params")), _object(event.get("params")), event.get("fields")
    )
    if tags := trigger.get("tags"):
        doc["tags"] = [*(event.get("tags") or ()), *tags]
    data = trigger.get("data")
    if isinstance(data, list):
        data = {"items": data}
    if isinstance(data, dict):
        given = _object(event.get("input"))
        doc["input"] = {**given, "data": {**_object(given.get("data")), **data}}
    return doc


def _start(event: Doc, trigger: Doc) -> str:
    chosen = _object(event.get("workflow")).get("start")
    return str(chosen or trigger.get("id") or "")


def _fired(event: Doc, trigger: Doc, minute: int) -> EventFired:
    return EventFired(
        event_id=str(event["id"]),
        trigger=trigger,
        minute=minute,
        actor=SCHEDULE,
        correlation_id=ids.story_id(),
    )


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
