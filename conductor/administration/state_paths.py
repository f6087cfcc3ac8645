"""The global state as one object, and paths into it (contract structures/state.yaml). Pure.

State is kept as documents by path (`scheduler`, `events/ID`); values without a path of their own, such as
`alert_snooze`, are properties of the document `global`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from conductor.errors import BadParameter
from shared.schema.reserved import RESERVED_WORDS

Json = dict[str, Any]

ROOT = "global"

_SEPARATORS = re.compile(r"[./]")
_WORD = re.compile(r"\w+")
_DEEPEST = 16


def as_one(documents: Iterable[tuple[str, Mapping[str, Any]]]) -> Json:
    """Every document at its place in one object. The documents are not modified."""
    whole: Json = {}
    for key, document in sorted(documents):
        place = whole
        for step in key.split("/") if key != ROOT else ():
            inner = place.get(step)
            place[step] = inner = dict(inner) if isinstance(inner, dict) else {}
            place = inner
        place.update(document)
    return whole


def check(path: str) -> list[str]:
    """The steps of a path in dots or slashes. Raises BadParameter for one that is none, or is reserved."""
    if any(word in RESERVED_WORDS for word in _WORD.findall(path)):
        raise BadParameter(f"Naughty key detected: {path[:80]}")
    steps = _SEPARATORS.split(path)
    if not all(steps) or len(steps) > _DEEPEST:
        raise BadParameter(f"Malformed state path: {path[:80]}")
    return steps


def placed(
    steps: list[str], value: Any, documents: Mapping[str, Mapping[str, Any]] | Collection[str]
) -> tuple[str, list[str], Any]:
    """Which document a path leads to, and the steps inside it: at least one.

    The longest path that has a document wins; else all steps but the last name it. An object given for a
    document's own path is spread over it: the steps are then empty.
    """
    for length in range(len(steps) - 1, 0, -1):
        key = "/".join(steps[:length])
        if key in documents:
            return key, steps[length:], value
    if isinstance(value, dict) and (len(steps) == 1 or "/".join(steps) in documents):
        return "/".join(steps), [], value
    if len(steps) == 1:
        return ROOT, steps, value
    return "/".join(steps[:-1]), steps[-1:], value


def changed(document: Mapping[str, Any], steps: list[str], value: Any) -> Json:
    """The changes to `document` that put `value` at `steps`; nothing of it is modified."""
    if not steps:
        return dict(value)
    first, *rest = steps
    if not rest:
        return {first: value}
    inner = document.get(first)
    inner = inner if isinstance(inner, dict) else {}
    return {first: {**inner, **changed(inner, rest, value)}}
