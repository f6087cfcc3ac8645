"""The events of one correlation as a tree of what caused what. Pure."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from conductor.audit.event_log import Event


class Chapter(msgspec.Struct, kw_only=True, rename="camel"):
    """An event, how long after its cause it came (seconds), and what it caused, in order."""

    event: Event
    after: float | None = None
    children: list["Chapter"] = []


def tree(events: Iterable[Event]) -> list[Chapter]:
    """The roots, in order. An event whose cause is not among `events`, or lies in a circle, is a root."""
    chapters = {event.id: Chapter(event=event) for event in events}
    roots: list[Chapter] = []
    for chapter in chapters.values():
        cause = chapters.get(chapter.event.causation_id or "")
        if cause is None or _leads_to(chapters, cause, chapter):
            roots.append(chapter)
            continue
        chapter.after = round(_seconds(chapter.event) - _seconds(cause.event), 6)
        cause.children.append(chapter)
    for chapter in chapters.values():
        chapter.children.sort(key=_moment)  # what one cause led to, in the order it happened
    return sorted(roots, key=_moment)


def lines(roots: Iterable[Chapter]) -> Iterator[tuple[int, Chapter]]:
    """(depth, chapter) of the whole tree, each cause before what it caused."""
    waiting = [(0, root) for root in roots][::-1]
    while waiting:
        depth, chapter = waiting.pop()
        yield depth, chapter
        waiting += [(depth + 1, child) for child in reversed(chapter.children)]


def _leads_to(chapters: dict[str, Chapter], start: Chapter, target: Chapter) -> bool:
    """Whether `target` is among the causes of `start`: a circle, which no honest log has."""
    seen: set[str] = set()
    at: Chapter | None = start
    while at is not None and at.event.id not in seen:
        if at is target:
            return True
        seen.add(at.event.id)
        at = chapters.get(at.event.causation_id or "")
    return False


def _moment(chapter: Chapter) -> str:
    return chapter.event.occurred_at


def _seconds(event: Any) -> float:
    return datetime.fromisoformat(event.occurred_at).timestamp()
