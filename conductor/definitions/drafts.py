"""What a create or an update would store, decided without storing it (contract api/README.md §10.4-10.7)."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conductor.definitions.json_values import Json, is_number, truthy, whole
from conductor.definitions.kind import Context, Kind
from conductor.definitions.text import check_id, check_record, shown
from conductor.errors import BadParameter, Refusal
from shared.ids import short_id

_OWNED = frozenset(("id", "username", "created", "modified", "revision"))
"""What the conductor alone writes."""
EXPECTED_REVISION = "expected_revision"
"""In an update of any kind: refuse unless the stored revision is this one. Never stored."""
_NEVER_DATA = frozenset(("session_id", "csrf_token", "api_key", "cachebust", EXPECTED_REVISION))
_SIGNED = re.compile(r"[+-][\d.]+", re.ASCII)
_LONGEST_NUMBER = 32
_DEEPEST = 100


@dataclass(frozen=True, slots=True)
class Draft:
    doc: Json
    """The complete document."""
    updated: tuple[str, ...] = ()
    """Names of the properties that the request changes."""
    state: Json | None = None
    """What goes into the item's global state."""
    shown_once: Mapping[str, Any] = field(default_factory=dict)
    apart: Json = field(default_factory=dict)
    """What the request says of the properties that are kept in another store."""


def new(kind: Kind, request: Mapping[str, Any], context: Context, now: int) -> Draft:
    """A new item from a client's request. Raises Refusals only.

    Whether the ID is free and which place in the list it gets is left to whoever holds the list.
    """
    doc = _cleaned(kind, request)
    state = _state_from(kind, doc)
    if kind.generated_id or not truthy(doc.get("id")):
        doc["id"] = short_id(kind.prefix)
    check_id(doc["id"])
    shown_once = kind.prepare(doc, context)
    kind.authorise(doc, context)
    apart = _taken_out(kind, doc)
    doc.update(username=context.by.name, created=now, modified=now, revision=1)
    return Draft(
        doc, tuple(doc), state if state is not None or not kind.takes_state else {}, shown_once, apart
    )


def change(kind: Kind, stored: Json, request: Mapping[str, Any], context: Context, now: int) -> Draft:
    """`stored` after a client's request, shallow-merged. Raises Refusals only."""
    sent = _cleaned(kind, request)
    state = _state_from(kind, sent)
    changes = {key: value for key, value in sent.items() if key not in _OWNED and key not in kind.fixed}
    for key, value in changes.items():
        if key in stored and is_number(stored[key]) and _is_signed(value):
            changes[key] = _moved(stored[key], value, key)
    updated = tuple(changes)
    if kind.sort_ordered and "sort_order" in changes and whole(changes["sort_order"]) is None:
        raise BadParameter("Malformed parameter: sort_order")
    kind.revise(stored, changes, context)
    kind.authorise(stored, context)
    revision = revision_of(stored)
    if kind.revision_locked and truthy(sent.get("revision")):
        _check_revision(kind, stored["id"], sent["revision"], revision)
    if request.get(EXPECTED_REVISION) is not None:
        _check_revision(kind, stored["id"], request[EXPECTED_REVISION], revision)
    apart = _taken_out(kind, changes)
    doc = {**stored, **changes, "modified": now, "revision": revision + 1}
    kind.authorise(doc, context)
    return Draft(doc, updated, state, apart=apart)


def orders(items: Any) -> tuple[dict[str, int], tuple[str, ...]]:
    """The new `sort_order` by ID, and the names of the first item's properties (§10.7)."""
    if not isinstance(items, list) or not items:
        raise BadParameter("Missing parameter: items")
    found: dict[str, int] = {}
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise BadParameter("Malformed parameter: items (each must be an object with an id)")
        if "sort_order" not in item:
            continue
        order = whole(item["sort_order"])
        if order is None:
            raise BadParameter(f"Malformed parameter: sort_order of {shown(item['id'])}")
        found[item["id"]] = order
    return found, tuple(key for key in items[0] if key != "id")


def next_order(docs: Iterable[Json]) -> int:
    """The place after the last: the highest `sort_order` + 1, or 0."""
    return max((order for doc in docs if (order := whole(doc.get("sort_order"))) is not None), default=-1) + 1


def revision_of(doc: Mapping[str, Any]) -> int:
    """Bare imports have none, or the text that the original left there: both count as 0."""
    return whole(doc.get("revision")) or 0


def touched(doc: Json, changes: Mapping[str, Any], now: int) -> Json:
    """`doc` after a change that the house itself makes."""
    return {**doc, **changes, "modified": now, "revision": revision_of(doc) + 1}


def _check_revision(kind: Kind, id: str, expected: Any, revision: int) -> None:
    if whole(expected) != revision:
        mismatch = f"Revision mismatch: {shown(expected)} != {revision}"
        raise Refusal(kind.code, f"{kind.singular.title()} out of date: {id} ({mismatch})")


def _taken_out(kind: Kind, doc: Json) -> Json:
    """The properties that are kept apart, taken out of the document."""
    return {key: doc.pop(key) for key in kind.apart if key in doc}


def _cleaned(kind: Kind, request: Mapping[str, Any]) -> Json:
    if not isinstance(request, Mapping):
        raise BadParameter("Malformed request: not an object")
    _check_depth(request)
    dropped = kind.never_stored | _NEVER_DATA
    return {key: value for key, value in check_record(request).items() if key not in dropped}


def _check_depth(request: Mapping[str, Any]) -> None:
    """Nothing is nested so deeply that walking through it could exhaust the stack later."""
    level: list[Any] = list(request.values())
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            if isinstance(value, (dict, list))
            for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise BadParameter("Malformed request: nested too deeply")


def _state_from(kind: Kind, doc: Json) -> Json | None:
    if not kind.takes_state:
        return None
    state = doc.pop("update_state", None)
    if state is not None and not isinstance(state, dict):
        raise BadParameter("Malformed parameter: update_state (must be object)")
    return state


def _is_signed(value: Any) -> bool:
    return isinstance(value, str) and _SIGNED.fullmatch(value) is not None


def _moved(number: float, step: str, key: str) -> float:
    if len(step) <= _LONGEST_NUMBER:
        try:
            return number + (float(step) if "." in step else int(step))
        except (ValueError, OverflowError):
            pass
    raise BadParameter(f"Malformed parameter: {key}")
