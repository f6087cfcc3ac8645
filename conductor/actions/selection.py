"""Which actions run for a set of conditions, in which order, each once (contract actions.md §4). Pure.

Two actions are duplicates when running both would do the same thing twice. So the key of an action names its
target and everything that makes its effect another one: tags, label, ticket fields, parameters, mail body.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from conductor.actions.conditions import INSTANT, ordered
from conductor.actions.result import Action, type_of

ALERT_TYPES = frozenset({"email", "web_hook", "channel", "run_event", "snapshot", "plugin", "ticket"})
"""What an alert can do; the other types pass validation there and do nothing."""

TELLING_TYPES = frozenset({"email", "web_hook", "channel", "plugin"})
"""What tells people, and may do so again; a repeated ticket, event or snapshot would be a second one."""

_KEYS: Mapping[str, tuple[str, ...]] = {
    "email": ("email", "users", "body"),
    "web_hook": ("web_hook",),
    "run_event": ("event_id", "params", "target_server"),
    "channel": ("channel_id",),
    "plugin": ("plugin_id", "params"),
    "store": ("bucket_id", "bucket_sync", "bucket_glob"),
    "fetch": ("bucket_id", "bucket_sync", "bucket_glob"),
    "ticket": ("ticket_type", "ticket_assignees", "ticket_tags", "ticket_due"),
    "tag": ("tags",),
    "label": ("label",),
}
"""The properties that tell two actions of one type apart. The other types run once for a set of conditions."""


def key(action: Mapping[str, Any]) -> bytes:
    """Equal for duplicates. What is empty and what is absent are the same."""
    type_ = type_of(action)
    parts = [action.get(name) or None for name in _KEYS.get(type_, ())]
    return msgspec.json.encode([type_, *parts], order="deterministic")


def entries(actions: Any) -> list[Action]:
    """The actions of a document that may hold anything."""
    return [one for one in actions if isinstance(one, dict)] if isinstance(actions, list) else []


def chosen(actions: Any, conditions: Sequence[str]) -> list[int]:
    """Positions of the actions that are to run now, in order: enabled, no duplicates, not run before."""
    listed = actions if isinstance(actions, list) else []
    found = [
        index
        for condition in ordered(conditions)
        if condition != INSTANT
        for index, action in enumerate(listed)
        if isinstance(action, dict) and action.get("enabled") and action.get("condition") == condition
        if "flow" not in action  # carried out on its wire, whatever became of it
    ]
    kept = _first_of_each(found, lambda index: listed[index])
    if INSTANT in conditions:
        kept += instant(listed)
    return [index for index in kept if "code" not in listed[index]]


def instant(actions: Any) -> list[int]:
    """Pushed actions that are due at once. A job may push the same one twice, and means it."""
    return [
        index
        for index, action in enumerate(actions if isinstance(actions, list) else ())
        if isinstance(action, dict)
        and action.get("enabled")
        and action.get("condition") == INSTANT
        and "code" not in action
    ]


def for_alert(
    definition: Mapping[str, Any], groups: Iterable[Mapping[str, Any]], universal: Any, condition: str
) -> list[Action]:
    """Copies of what an alert's condition fires: its own, its server's groups', the configured ones."""
    sources: list[tuple[str, Any]] = [("", definition.get("actions"))]
    if not definition.get("exclusive_actions"):
        sources += [("group", group.get("alert_actions")) for group in groups]
        sources.append(("universal", universal))
    found = [
        {**action, "source": source} if source else dict(action)
        for source, actions in sources
        for action in entries(actions)
        if action.get("enabled") and action.get("condition") == condition and type_of(action) in ALERT_TYPES
    ]
    return [found[index] for index in _first_of_each(range(len(found)), lambda index: found[index])]


def _first_of_each(indexes: Iterable[int], action: Callable[[int], Mapping[str, Any]]) -> list[int]:
    seen: set[bytes] = set()
    kept = []
    for index in indexes:
        own = key(action(index))
        if own not in seen:
            seen.add(own)
            kept.append(index)
    return kept
