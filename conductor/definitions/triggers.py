"""Rules for `triggers[]` of events, and what is done to them on save.

Contract api/events.yaml (validation.triggers), structures/trigger.yaml, scheduler.md §4. Every failure is a
BadParameter; those of an entry begin "Malformed trigger entry #N".
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from conductor.definitions.crontab import lists_of
from conductor.definitions.json_values import Json, is_number, truthy, whole
from conductor.definitions.kind import Library
from conductor.definitions.params import check_values, default_of, definitions_of, refuse_reserved
from conductor.definitions.text import shown
from conductor.definitions.timezones import is_known_zone, is_zone_name
from conductor.errors import BadParameter

ONCE = ("startup", "catchup", "nth", "manual", "precision", "quiet", "plugin")
EXCLUSIVE = (("interval", "precision"), ("interval", "delay"), ("precision", "delay"))
WITH_FIELDS = frozenset(("schedule", "single", "interval", "startup", "keyboard"))
_MINUTE = 60
_FLOORED: Mapping[str, tuple[str, ...]] = {
    "single": ("epoch",),
    "range": ("start", "end"),
    "blackout": ("start", "end"),
}
_LATEST_YEAR = 9999
_LATEST_EPOCH = 253_402_300_799  # the last second of that year
_SCHEDULE: Mapping[str, tuple[int, int]] = {
    "years": (1, _LATEST_YEAR),
    "months": (1, 12),
    "days": (-7, 31),
    "weekdays": (0, 6),
    "hours": (0, 23),
    "minutes": (0, 59),
}

DST = frozenset(("repeat", "once", "shift"))
"""What a schedule does where clocks change: see conductor/schedule/triggers/schedule.py."""
_HOLIDAY = re.compile(r"(\d{4}-)?(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])", re.ASCII)
_MOST_HOLIDAYS = 1000
_MOST_SPLAY = 86_400

Trigger = Json


def check_triggers(triggers: Any, fields: Any, library: Library) -> None:
    """Raise BadParameter unless `triggers` is an array of valid triggers that can stand together."""
    if not isinstance(triggers, list):
        raise BadParameter("Malformed event parameter: triggers (must be array)")
    for number, trigger in enumerate(triggers, 1):
        _check_trigger(trigger, fields, library, f"Malformed trigger entry #{number}")
    _check_together(triggers)


def _check_trigger(trigger: Any, fields: Any, library: Library, prefix: str) -> None:
    if not isinstance(trigger, dict):
        raise BadParameter(f"{prefix}: Not an object")
    type_ = trigger.get("type")
    check = _CHECKS.get(type_) if isinstance(type_, str) else None
    if check is None:
        raise BadParameter(f"{prefix}: Unknown type")
    id, tags, params = trigger.get("id"), trigger.get("tags"), trigger.get("params")
    if id is not None and not isinstance(id, str):
        raise BadParameter(f"{prefix}: Invalid ID")
    if tags is not None and not (isinstance(tags, list) and all(isinstance(tag, str) for tag in tags)):
        raise BadParameter(f"{prefix}: Invalid tag list")
    if params is not None and not isinstance(params, dict):
        raise BadParameter(f"{prefix}: Invalid params (must be object)")
    splay = trigger.get("splay")
    if splay is not None and (not is_number(splay) or not 0 <= splay <= _MOST_SPLAY):
        raise BadParameter(f"{prefix}: Invalid splay (must be seconds, at most {_MOST_SPLAY})")
    refuse_reserved(params or {}, prefix)
    check(trigger, library, prefix)
    if params and type_ != "plugin":
        check_values(params, fields, prefix)


def check_alone(trigger: Trigger, prefix: str) -> None:
    """What a trigger's own values must be, whatever else is defined. Raises BadParameter."""
    if trigger["type"] != "plugin":  # its rule is about another definition
        _CHECKS[trigger["type"]](trigger, _NOTHING, prefix)


class _Nothing:
    """A library without definitions."""

    def all(self, kind: str) -> Sequence[Json]:
        return ()

    def get(self, kind: str, id: str) -> Json | None:
        return None


_NOTHING = _Nothing()


def _check_together(triggers: Iterable[Trigger]) -> None:
    enabled = [trigger["type"] for trigger in triggers if truthy(trigger.get("enabled"))]
    for type_ in ONCE:
        if enabled.count(type_) > 1:
            raise BadParameter(f"Only one {type_} rule is allowed in trigger list.")
    for one, other in EXCLUSIVE:
        if one in enabled and other in enabled:
            raise BadParameter(f"{one.title()} and {other} triggers are mutually exclusive.")


def _free(trigger: Trigger, library: Library, prefix: str) -> None: ...


def _schedule(trigger: Trigger, library: Library, prefix: str) -> None:
    for key, (low, high) in _SCHEDULE.items():
        _check_numbers(trigger, key, low, high)
    _check_numbers(trigger, "seconds", 0, 59)
    if truthy(trigger.get("crontab")):
        _crontab(trigger["crontab"], prefix)
    if 0 in (trigger.get("days") or ()):
        raise BadParameter("Malformed trigger parameter: days (out of range: 0)")
    if truthy(trigger.get("dst")) and trigger["dst"] not in DST:
        raise BadParameter(f"{prefix}: Unknown dst policy: {shown(trigger['dst'])}")
    _check_holidays(trigger.get("holidays"), prefix)
    zone = trigger.get("timezone")
    if not truthy(zone):
        return
    if not isinstance(zone, str) or not is_zone_name(zone):
        raise BadParameter(f"{prefix}: Invalid timezone: {shown(zone)}")
    if not is_known_zone(zone):
        raise BadParameter(f"{prefix}: Unknown timezone: {zone}")


def _crontab(line: Any, prefix: str) -> dict[str, list[int]]:
    """The lists of a crontab line. Raises BadParameter."""
    try:
        return lists_of(line if isinstance(line, str) else "")
    except ValueError as error:
        raise BadParameter(f"{prefix}: Invalid crontab: {error}") from None


def _check_holidays(days: Any, prefix: str) -> None:
    if days is None:
        return
    if not isinstance(days, list) or len(days) > _MOST_HOLIDAYS:
        raise BadParameter(f"{prefix}: Invalid holidays (must be array of at most {_MOST_HOLIDAYS} days)")
    for day in days:
        if not isinstance(day, str) or not _HOLIDAY.fullmatch(day):
            raise BadParameter(f"{prefix}: Invalid holiday: {shown(day)} (YYYY-MM-DD or MM-DD)")


def _check_numbers(trigger: Trigger, key: str, low: int, high: int) -> None:
    values = trigger.get(key)
    if values is None:
        return
    if not isinstance(values, list):
        raise BadParameter(f"Malformed trigger parameter: {key} (must be array)")
    for value in values:
        if not is_number(value):
            raise BadParameter(f"Malformed trigger parameter: {key} (must be array of numbers)")
        if whole(value) is None or not low <= value <= high:
            raise BadParameter(f"Malformed trigger parameter: {key} (out of range: {shown(value)})")


def _interval(trigger: Trigger, library: Library, prefix: str) -> None:
    if not _is_epoch(trigger.get("start")):
        raise BadParameter(f"{prefix}: Invalid starting date/time specified for interval")
    _duration(trigger, f"{prefix}: Interval rule is missing duration.")


def _delay(trigger: Trigger, library: Library, prefix: str) -> None:
    _duration(trigger, f"{prefix}: Starting delay rule is missing duration.")


def _duration(trigger: Trigger, text: str) -> None:
    duration = trigger.get("duration")
    if not is_number(duration) or not 0 < duration <= _LATEST_EPOCH:
        raise BadParameter(text)


def _single(trigger: Trigger, library: Library, prefix: str) -> None:
    if not _is_epoch(trigger.get("epoch")):
        raise BadParameter(f"{prefix}: Invalid date/time specified for single shot")


def _span(what: str, needed: bool) -> Callable[[Trigger, Library, str], None]:
    def check(trigger: Trigger, library: Library, prefix: str) -> None:
        for key in ("start", "end"):
            value = trigger.get(key)
            if needed and not truthy(value):
                raise BadParameter(f"{prefix}: Both start and end are required for {what}")
            if truthy(value) and not _is_epoch(value):
                raise BadParameter(f"{prefix}: Invalid {key} date/time specified for {what}")
        start, end = trigger.get("start"), trigger.get("end")
        if start and end and start > end:
            raise BadParameter(f"{prefix}: The start is after the end of the {what}")

    return check


def _nth(trigger: Trigger, library: Library, prefix: str) -> None:
    every = trigger.get("every")
    if not is_number(every) or every < 2:
        raise BadParameter(f"{prefix}: Every Nth value is invalid (must be 2 or higher).")


def _precision(trigger: Trigger, library: Library, prefix: str) -> None:
    if not isinstance(trigger.get("seconds"), list):
        raise BadParameter(f"{prefix}: Precision rule is missing seconds array.")
    _check_numbers(trigger, "seconds", 0, 59)


def _quiet(trigger: Trigger, library: Library, prefix: str) -> None:
    if not truthy(trigger.get("invisible")) and not truthy(trigger.get("ephemeral")):
        raise BadParameter(f"{prefix}: Quiet rule must have one or more modes enabled.")


def _keyboard(trigger: Trigger, library: Library, prefix: str) -> None:
    keys = trigger.get("keys")
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) for key in keys):
        raise BadParameter(f"{prefix}: Keyboard trigger has no shortcuts.")


def _magic(trigger: Trigger, library: Library, prefix: str) -> None:
    for key in ("key", "token", "body"):
        if trigger.get(key) is not None and not isinstance(trigger[key], str):
            raise BadParameter(f"{prefix}: Invalid magic {key} (must be string)")
    for key in ("expires", "max_per_min"):
        value = trigger.get(key)
        if value is not None and (not is_number(value) or value < 0):
            raise BadParameter(f"{prefix}: Invalid magic {key} (must be number)")


def _plugin(trigger: Trigger, library: Library, prefix: str) -> None:
    id = trigger.get("plugin_id")
    plugin = library.get("plugins", id) if isinstance(id, str) else None
    if plugin is None or plugin.get("type") != "scheduler":
        raise BadParameter(f"{prefix}: Scheduler Plugin not found: {shown(id)}")
    check_values(trigger.get("params") or {}, plugin.get("params"), prefix)


def _is_epoch(value: Any) -> bool:
    epoch = whole(value)
    return epoch is not None and 0 < epoch <= _LATEST_EPOCH


_CHECKS: Mapping[str, Callable[[Trigger, Library, str], None]] = {
    "schedule": _schedule,
    "interval": _interval,
    "single": _single,
    "range": _span("range", needed=False),
    "blackout": _span("blackout", needed=True),
    "delay": _delay,
    "precision": _precision,
    "nth": _nth,
    "quiet": _quiet,
    "keyboard": _keyboard,
    "plugin": _plugin,
    "manual": _free,
    "startup": _free,
    "catchup": _free,
    "magic": _magic,
}


def with_field_defaults(triggers: Any, fields: Any) -> Any:
    """Triggers that launch by themselves with a value for every field; hidden ones have their default.

    Anything malformed is passed on for `check_triggers` to name.
    """
    defaults = [
        (field["id"], default_of(field), field.get("type") == "hidden")
        for field in definitions_of(fields)
        if field.get("type") != "group"
    ]
    if not defaults or not isinstance(triggers, list):
        return triggers

    def filled(trigger: Any) -> Any:
        if not isinstance(trigger, dict) or not isinstance(trigger.get("type"), str):
            return trigger
        params = trigger.get("params")
        if trigger["type"] not in WITH_FIELDS or not (params is None or isinstance(params, dict)):
            return trigger
        complete = dict(params or {})
        for id, value, hidden in defaults:
            if hidden or (id not in complete and value is not None):
                complete[id] = value
        return {**trigger, "params": complete}

    return [filled(trigger) for trigger in triggers]


def as_stored(triggers: Iterable[Trigger], event_id: str) -> list[Trigger]:
    """Valid triggers with times floored to minutes, magic keys replaced by their tokens, crontabs as lists."""
    return [_stored(trigger, event_id) for trigger in triggers]


def _stored(trigger: Trigger, event_id: str) -> Trigger:
    type_ = trigger["type"]
    if type_ == "magic" and "key" in trigger:
        hashed = {key: value for key, value in trigger.items() if key != "key"}
        if trigger["key"]:
            hashed["token"] = magic_token(trigger["key"], event_id)
        return hashed
    if type_ == "schedule" and truthy(trigger.get("crontab")):
        return {**trigger, **_crontab(trigger["crontab"], "Malformed trigger")}
    times = {key: _floored(trigger[key]) for key in _FLOORED.get(type_, ()) if truthy(trigger.get(key))}
    return {**trigger, **times} if times else trigger


def _floored(epoch: float) -> int:
    return int(epoch) // _MINUTE * _MINUTE


def magic_token(key: str, event_id: str) -> str:
    """What a magic trigger stores instead of its key."""
    return hashlib.sha256(f"{key}{event_id}".encode(errors="surrogatepass")).hexdigest()
