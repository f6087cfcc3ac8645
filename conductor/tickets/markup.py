"""Subjects and bodies without anything that a browser would run (contract api/tickets.yaml). Pure.

Bodies are Markdown and stay it; what looks like a tag leaves, elements that act leave with their content.
Work is bounded by the length of the text, whatever it holds.
"""

import re

_ACTING = re.compile(r"<(script|style|template|iframe|object|embed)\b", re.IGNORECASE)
_TAG_LIKE = re.compile(r"<[/!?a-zA-Z][^<>]*>")
_OPENING = re.compile(r"<(?=[/!?a-zA-Z])")
_ANY_TAG = re.compile(r"<[^<>]*>")
_PASSES = 5
"""What is left of tags nested deeper than this loses its angle bracket."""


def subject(text: str) -> str:
    """One line without tags."""
    return " ".join(_bare(text, _ANY_TAG).split())


def body(text: str) -> str:
    """Without acting elements, comments, declarations and tags."""
    if "<" not in text:
        return text
    return _bare(_without_comments(_without_acting(text)), _TAG_LIKE)


def _bare(text: str, tags: re.Pattern[str]) -> str:
    for _ in range(_PASSES):
        text, count = tags.subn("", text)
        if not count:
            return text
    return _OPENING.sub("", text)


def _without_acting(text: str) -> str:
    lower = text.lower() if text.isascii() else None
    kept: list[str] = []
    place = 0
    unclosed: set[str] = set()
    while opening := _ACTING.search(text, place):
        name = opening[1].lower()
        kept.append(text[place : opening.start()])
        place = opening.end()
        end = -1 if name in unclosed else _closing(text, lower, name, place)
        if end < 0:
            unclosed.add(name)  # later ones are neither: it is not looked for again
            end = text.find(">", place) + 1 if ">" not in unclosed else 0
            if not end:
                unclosed.add(">")
        place = end or place
    kept.append(text[place:])
    return "".join(kept)


def _closing(text: str, lower: str | None, name: str, place: int) -> int:
    """The end of `</name …>` from `place` on, -1 if there is none."""
    if lower is not None:
        start = lower.find(f"</{name}", place)
    else:
        found = re.compile(f"</{name}", re.IGNORECASE).search(text, place)
        start = found.start() if found else -1
    if start < 0:
        return -1
    end = text.find(">", start)
    return end + 1 if end >= 0 else len(text)


def _without_comments(text: str) -> str:
    kept: list[str] = []
    place = 0
    while (start := text.find("<!--", place)) >= 0:
        end = text.find("-->", start + 4)
        if end < 0:
            break
        kept.append(text[place:start])
        place = end + 3
    kept.append(text[place:])
    return "".join(kept)
