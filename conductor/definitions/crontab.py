"""Crontab lines as the lists of a schedule trigger. The text is kept beside them, for whoever edits it again."""

from collections.abc import Mapping
from typing import NamedTuple


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    words: Mapping[str, int] = {}


_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1
    )
}
_DAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
_FIELDS = (
    _Field("minutes", 0, 59),
    _Field("hours", 0, 23),
    _Field("days", 1, 31),
    _Field("months", 1, 12, _MONTHS),
    _Field("weekdays", 0, 7, _DAYS),
)
_SECONDS = _Field("seconds", 0, 59)
_SHORT = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_LONGEST = 500


def lists_of(line: str) -> dict[str, list[int]]:
    """The lists that a line of five fields names, or of six, the first of which are seconds.

    A line that restricts days and weekdays at once means either of them to cron and both of them to a schedule:
    it is refused. Raises ValueError.
    """
    words = _SHORT.get(line.strip().lower(), line).lower().split()
    if len(line) > _LONGEST or not line.isascii() or len(words) not in (5, 6):
        raise ValueError("a crontab line has five fields, or six with seconds")
    fields = (_SECONDS, *_FIELDS) if len(words) == 6 else _FIELDS
    lists = {field.name: _numbers(word, field) for field, word in zip(fields, words, strict=True)}
    if lists["days"] and lists["weekdays"]:
        raise ValueError("days of the month and of the week at once need two triggers")
    lists["weekdays"] = sorted({day % 7 for day in lists["weekdays"]})
    return lists


def _numbers(text: str, field: _Field) -> list[int]:
    """Empty for everything."""
    if text in ("*", "?"):
        return []
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        if span == "*":
            first, last = field.low, field.high
        elif "-" in span:
            start, _, end = span.partition("-")
            first, last = _number(start, field), _number(end, field)
        else:
            first = _number(span, field)
            last = field.high if slash else first
        if first > last or (slash and not (step.isdecimal() and int(step) > 0)):
            raise ValueError(f"{part} is no range of {field.name}")
        found.update(range(first, last + 1, int(step) if slash else 1))
    return sorted(found)


def _number(text: str, field: _Field) -> int:
    number = field.words.get(text)
    if number is None:
        if not text.isdecimal() or len(text) > 4:
            raise ValueError(f"{text or 'nothing'} is not among {field.name}")
        number = int(text)
    if not field.low <= number <= field.high:
        raise ValueError(f"{text} is not among {field.name}")
    return number
