"""The contract's per-minute matching (scheduler.md §5, §6), written anew: every minute is looked at by itself."""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Doc = Mapping[str, Any]


def matches(trigger: Doc, minute: int) -> bool:
    if trigger["type"] == "single":
        return bool(trigger["epoch"] // 60 * 60 == minute)
    if trigger["type"] == "interval":
        return bool(interval_seconds(trigger, minute))
    return _schedule(trigger, minute)


def interval_seconds(trigger: Doc, minute: int) -> list[int]:
    start, duration = trigger["start"], trigger["duration"]
    found = []
    for second in range(60):
        since = minute + second - start
        hits = max(int(since // duration) - 1, 0)
        if since >= 0 and any(int(k * duration) == since for k in (hits, hits + 1, hits + 2)):
            found.append(second)
    return found


def _schedule(trigger: Doc, minute: int) -> bool:
    zone = ZoneInfo(trigger.get("timezone") or "UTC")
    wall = datetime.fromtimestamp(minute, zone)
    policy = trigger.get("dst") or "repeat"
    if _names(trigger, wall) and (policy == "repeat" or not _second_time(minute, zone)):
        return True
    return policy == "shift" and _shifted(trigger, minute, zone)


def _names(trigger: Doc, wall: datetime) -> bool:
    last = monthrange(wall.year, wall.month)[1]
    values = {
        "years": {wall.year}, "months": {wall.month}, "days": {wall.day, wall.day - last - 1},
        "weekdays": {wall.isoweekday() % 7}, "hours": {wall.hour}, "minutes": {wall.minute},
    }  # fmt: skip
    if any(trigger.get(key) and not values[key] & set(trigger[key]) for key in values):
        return False
    return not {f"{wall:%Y-%m-%d}", f"{wall:%m-%d}"} & set(trigger.get("holidays") or ())


def _local(time: int, zone: ZoneInfo) -> datetime:
    return datetime.fromtimestamp(time, zone).replace(tzinfo=None)


def _steady(minute: int, zone: ZoneInfo) -> bool:
    """Whether the clock was not changed in the hours before."""
    earlier = datetime.fromtimestamp(minute - 3 * 3600 - 60, zone)
    return earlier.utcoffset() == datetime.fromtimestamp(minute, zone).utcoffset()


def _second_time(minute: int, zone: ZoneInfo) -> bool:
    """Whether an earlier minute of this day showed the same wall clock."""
    if _steady(minute, zone):
        return False
    wall = _local(minute, zone)
    return any(_local(minute - back, zone) == wall for back in range(60, 3 * 3600 + 60, 60))


def _shifted(trigger: Doc, minute: int, zone: ZoneInfo) -> bool:
    """Whether the clock was put forward lately, by more than has passed since."""
    if _steady(minute, zone):
        return False
    for back in range(60, 3 * 3600 + 60, 60):
        before = minute - back
        would_be = _local(before, zone) + timedelta(seconds=back)
        ahead = _local(minute, zone) - would_be
        if ahead <= timedelta():
            continue
        # The change lies between `before` and `minute`: was this wall time skipped by it?
        change = next(t for t in range(before, minute + 60, 60) if _jumps(t, zone))
        return bool(minute < change + ahead.total_seconds()) and _names(trigger, would_be)
    return False


def _jumps(time: int, zone: ZoneInfo) -> bool:
    return _local(time, zone) - _local(time - 60, zone) > timedelta(minutes=1)


def runs(triggers: Sequence[Doc], minutes: range) -> Iterator[int]:
    """The minutes in which an event of these triggers launches; the nth counter begins at 0."""
    enabled = [one for one in triggers if one.get("enabled", True)]
    launching = [one for one in enabled if one["type"] in ("schedule", "single", "interval")]
    ranges = [one for one in enabled if one["type"] == "range"]
    blackouts = [one for one in enabled if one["type"] == "blackout"]
    every = next((one["every"] for one in enabled if one["type"] == "nth"), None)
    counter = 0
    for minute in minutes:
        if not any(matches(one, minute) for one in launching):
            continue
        if ranges and not any(_inside(one, minute) for one in ranges):
            continue
        if any(one["start"] <= minute <= one["end"] for one in blackouts):
            continue
        if every is not None:
            counter -= 1
            if counter > 0:
                continue
            counter = every
        yield minute


def _inside(span: Doc, minute: int) -> bool:
    if span.get("start") is None and span.get("end") is None:
        return False
    return bool(span.get("start", minute) <= minute <= span.get("end", minute))


def epoch(text: str) -> int:
    """Unix time of an ISO date and time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
