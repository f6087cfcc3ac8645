"""From a stored trigger to its value."""

from collections.abc import Callable, Mapping
from typing import Any

from conductor.definitions.json_values import truthy, whole
from conductor.errors import BadParameter
from conductor.schedule.triggers.base import TriggerValue, floored
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
from conductor.schedule.triggers.schedule import Schedule

Doc = Mapping[str, Any]

_LISTS = ("years", "months", "days", "weekdays", "hours", "minutes")


def read(trigger: Doc, zone: str) -> TriggerValue | None:
    """The value of a trigger that launches or modifies; None for those that act on demand and at startup.

    `zone` is that of a schedule that names none. Raises BadParameter: definitions may have been imported.
    """
    make = _READERS.get(str(trigger.get("type")))
    return None if make is None else make(trigger, zone)


def _schedule(trigger: Doc, zone: str) -> Schedule:
    lists = {name: _numbers(trigger, name) for name in _LISTS}
    return Schedule(
        **lists,
        only_seconds=_numbers(trigger, "seconds"),
        holidays=_listed(trigger, "holidays"),
        timezone=trigger.get("timezone") or zone,
        dst=trigger.get("dst") or "",
    )


def _interval(trigger: Doc, zone: str) -> Interval:
    return Interval(start=_number(trigger.get("start")), duration=trigger.get("duration") or 0)


def _single(trigger: Doc, zone: str) -> Single:
    return Single(epoch=_number(trigger.get("epoch")))


def _range(trigger: Doc, zone: str) -> Range:
    return Range(start=_minute(trigger.get("start")), end=_minute(trigger.get("end")))


def _blackout(trigger: Doc, zone: str) -> Blackout:
    return Blackout(start=_minute(trigger.get("start")) or 0, end=_minute(trigger.get("end")) or 0)


def _precision(trigger: Doc, zone: str) -> Precision:
    return Precision(seconds=_numbers(trigger, "seconds"))


def _quiet(trigger: Doc, zone: str) -> Quiet:
    return Quiet(invisible=truthy(trigger.get("invisible")), ephemeral=truthy(trigger.get("ephemeral")))


_READERS: Mapping[str, Callable[[Doc, str], TriggerValue]] = {
    "schedule": _schedule,
    "interval": _interval,
    "single": _single,
    "range": _range,
    "blackout": _blackout,
    "catchup": lambda trigger, _: CatchUp(once=truthy(trigger.get("once"))),
    "nth": lambda trigger, _: Nth(every=trigger.get("every") or 0),
    "delay": lambda trigger, _: Delay(duration=trigger.get("duration") or 0),
    "precision": _precision,
    "quiet": _quiet,
    "plugin": lambda trigger, _: PluginTrigger(plugin_id=str(trigger.get("plugin_id") or "")),
}


def _listed(trigger: Doc, name: str) -> tuple[Any, ...]:
    values = trigger.get(name)
    if values is None:
        return ()
    if not isinstance(values, list):
        raise BadParameter(f"Malformed trigger parameter: {name} (must be array)")
    return tuple(values)


def _numbers(trigger: Doc, name: str) -> tuple[int, ...]:
    return tuple(
        number if (number := whole(value)) is not None else value for value in _listed(trigger, name)
    )


def _number(value: Any) -> int:
    number = whole(value)
    return 0 if number is None else number


def _minute(value: Any) -> int | None:
    number = whole(value) if truthy(value) else None
    return None if number is None else floored(number)
