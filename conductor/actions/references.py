"""Actions that name something that is not there (any more). Pure.

A web hook may be created after the event that fires it, and deleted before it, so that no save or deletion is
refused for it. Here is where one learns of it before the action fails.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from conductor.actions.selection import entries
from conductor.definitions.repository import Definitions

Json = dict[str, Any]

_NAMED = (("web_hook", "web_hooks"), ("channel_id", "channels"), ("bucket_id", "buckets"),
          ("plugin_id", "plugins"), ("event_id", "events"))  # fmt: skip
_HOLDERS = (
    ("events", "actions"),
    ("categories", "actions"),
    ("alerts", "actions"),
    ("groups", "alert_actions"),
)


def dangling(definitions: Definitions, visible: Mapping[str, Any]) -> list[Json]:
    """Each reference to nothing: who holds it (`kind`, `id`, `title`, `action` from 1), and what it names.

    `visible` has a predicate on the item for each kind whose items not everybody sees.
    """
    return [
        {"kind": kind, "id": item.get("id"), "title": item.get("title", ""), "action": number,
         "type": action.get("type"), "missing": missing, "missing_id": action[key]}
        for kind, name in _HOLDERS
        if kind in definitions.kinds
        for item in definitions.all(kind)
        if visible.get(kind, _everything)(item)
        for number, action in _numbered(item, name)
        for key, missing in _NAMED
        if action.get(key) and missing in definitions.kinds
        if not isinstance(action[key], str) or definitions.get(missing, action[key]) is None
    ]  # fmt: skip


def _numbered(item: Json, name: str) -> Iterator[tuple[int, Json]]:
    yield from enumerate(entries(item.get(name)), 1)
    for step in entries(item.get("escalations")):
        yield from enumerate(entries(step.get("actions")), 1)
    workflow = item.get("workflow")
    nodes: Iterable[Any] = workflow.get("nodes") or () if isinstance(workflow, dict) else ()
    for node in nodes:
        if isinstance(node, dict) and node.get("type") == "action" and isinstance(node.get("data"), dict):
            yield 0, node["data"]


def _everything(item: Json) -> bool:
    return True
