"""Who names whom: what a definition refers to, who refers to it, and what others lose when it goes.

Pure. Documents may be imports of any shape, so nothing here trusts one.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conductor.definitions.algos import monitor_of
from conductor.definitions.json_values import Json
from conductor.definitions.kind import Library
from conductor.definitions.params import definitions_of
from conductor.definitions.workflow_graph import data_of, nodes_of

Mention = tuple[str, str, str]
"""Kind and ID of what is named, and the property that names it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A definition that names another one."""

    kind: str
    id: str
    title: str
    where: tuple[str, ...]
    """The properties that name it."""


def referrers(library: Library, kind: str, id: str) -> list[Reference]:
    """Every definition that names `id` of `kind`, by kind and in storage order."""
    found = []
    for name, mentions in _MENTIONS.items():
        for doc in library.all(name):
            if name == kind and doc["id"] == id:
                continue
            where = tuple(dict.fromkeys(place for *named, place in mentions(doc) if named == [kind, id]))
            if where:
                found.append(Reference(name, doc["id"], str(doc.get("title", "")), where))
    return found


def released(kind: str, id: str, library: Library) -> list[tuple[str, Json, Json]]:
    """What must not go on naming a deleted item: (kind, document, its changes).

    Secrets and roles of whoever takes the ID later are not for it; an event with an unknown tag could be
    neither saved nor run. Limits of roles and API keys stay as they are: an emptied list would mean "all".
    """
    changes: list[tuple[str, Json, Json]] = []
    for holder, key in _RELEASED.get(kind, ()):
        for doc in library.all(holder):
            listed = doc.get(key)
            if isinstance(listed, list) and id in listed:
                changes.append((holder, doc, {key: [one for one in listed if one != id]}))
    if kind == "tags":
        changes = _without_tag_in_nodes(id, library, changes)
    return changes


_RELEASED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "categories": (("secrets", "categories"),),
    "events": (("secrets", "events"),),
    "plugins": (("secrets", "plugins"),),
    "roles": (("api_keys", "roles"),),
    "tags": (("events", "tags"),),
    "web_hooks": (("secrets", "web_hooks"),),
}


def _without_tag_in_nodes(
    tag: str, library: Library, changes: list[tuple[str, Json, Json]]
) -> list[tuple[str, Json, Json]]:
    by_event = {doc["id"]: changed for _, doc, changed in changes}
    for event in library.all("events"):
        workflow = event.get("workflow") or {}
        if not any(tag in _strings(data_of(node).get("tags")) for node in nodes_of(workflow)):
            continue
        pruned = {**workflow, "nodes": [_without_tag(node, tag) for node in workflow["nodes"]]}
        if event["id"] in by_event:
            by_event[event["id"]]["workflow"] = pruned
        else:
            changes.append(("events", event, {"workflow": pruned}))
    return changes


def _without_tag(node: Any, tag: str) -> Any:
    data = data_of(node) if isinstance(node, dict) else {}
    if tag not in _strings(data.get("tags")):
        return node
    return {**node, "data": {**data, "tags": [one for one in data["tags"] if one != tag]}}


def _event(doc: Json) -> Iterator[Mention]:
    yield from _one("categories", doc, "category")
    yield from _one("plugins", doc, "plugin")
    yield from _many("groups", doc, "targets")
    yield from _many("tags", doc, "tags")
    yield from _algo(doc)
    yield from _actions(doc, "actions")
    yield from _fields(doc, "fields")
    yield from _hook_job(doc, "params")
    for trigger in _objects(doc.get("triggers")):
        for kind, id, _ in _one("plugins", trigger, "plugin_id"):
            yield kind, id, "triggers"
    for node in nodes_of(doc.get("workflow")):
        for kind, id, _ in _node(node.get("type"), data_of(node)):
            yield kind, id, "workflow"


def _node(type_: Any, data: Json) -> Iterator[Mention]:
    if type_ == "action":
        yield from _action(data)
    elif type_ in ("event", "job"):
        yield from _one("events", data, "event")
        yield from _one("categories", data, "category")
        yield from _one("plugins", data, "plugin")
        yield from _many("groups", data, "targets")
        yield from _many("tags", data, "tags")
        yield from _algo(data)
        yield from _hook_job(data, "params")


def _algo(doc: Json) -> Iterator[Mention]:
    if monitor := monitor_of(doc.get("algo")):
        yield "monitors", monitor, "algo"


def _hook_job(doc: Json, key: str) -> Iterator[Mention]:
    params = doc.get(key)
    if doc.get("plugin") == "hookplug" and isinstance(params, dict):
        for kind, id, _ in _one("web_hooks", params, "web_hook"):
            yield kind, id, key


def _fields(doc: Json, key: str) -> Iterator[Mention]:
    for field in definitions_of(doc.get(key)):
        for kind, id, _ in _one("buckets", field, "bucket_id"):
            yield kind, id, key


def _actions(doc: Json, key: str) -> Iterator[Mention]:
    for action in _objects(doc.get(key)):
        for kind, id, _ in _action(action):
            yield kind, id, key


def _action(action: Json) -> Iterator[Mention]:
    match action.get("type"):
        case "run_event":
            yield from _one("events", action, "event_id")
        case "web_hook":
            yield from _one("web_hooks", action, "web_hook")
        case "channel":
            yield from _one("channels", action, "channel_id")
        case "store" | "fetch":
            yield from _one("buckets", action, "bucket_id")
        case "plugin":
            yield from _one("plugins", action, "plugin_id")
        case "tag":
            yield from _many("tags", action, "tags")
        case "ticket":
            yield from _many("tags", action, "ticket_tags")


def _alert(doc: Json) -> Iterator[Mention]:
    yield from _many("groups", doc, "groups")
    yield from _one("monitors", doc, "monitor_id")
    yield from _actions(doc, "actions")
    for step in _objects(doc.get("escalations")):
        yield from _actions(step, "actions")


def _window(doc: Json) -> Iterator[Mention]:
    yield from _many("groups", doc, "groups")
    yield from _many("alerts", doc, "alerts")
    yield from _many("events", doc, "events")


def _channel(doc: Json) -> Iterator[Mention]:
    yield from _one("web_hooks", doc, "web_hook")
    yield from _one("events", doc, "run_event")


def _plugin(doc: Json) -> Iterator[Mention]:
    yield from _many("groups", doc, "groups")
    yield from _fields(doc, "params")


def _holder(doc: Json) -> Iterator[Mention]:
    """A role or an API key."""
    for key in ("categories", "groups", "roles"):
        yield from _many(key, doc, key)


def _secret(doc: Json) -> Iterator[Mention]:
    for key in ("categories", "events", "plugins", "web_hooks"):
        yield from _many(key, doc, key)


_MENTIONS: Mapping[str, Callable[[Json], Iterable[Mention]]] = {
    "alerts": _alert,
    "api_keys": _holder,
    "categories": lambda doc: _actions(doc, "actions"),
    "channels": _channel,
    "events": _event,
    "groups": lambda doc: _actions(doc, "alert_actions"),
    "maintenance_windows": _window,
    "monitors": lambda doc: _many("groups", doc, "groups"),
    "plugins": _plugin,
    "roles": _holder,
    "secrets": _secret,
}


def _one(kind: str, doc: Json, key: str) -> Iterator[Mention]:
    id = doc.get(key)
    if isinstance(id, str) and id:
        yield kind, id, key


def _many(kind: str, doc: Json, key: str) -> Iterator[Mention]:
    for id in _strings(doc.get(key)):
        yield kind, id, key


def _objects(value: Any) -> Iterator[Json]:
    return (item for item in value if isinstance(item, dict)) if isinstance(value, list) else iter(())


def _strings(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
