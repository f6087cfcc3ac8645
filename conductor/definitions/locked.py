"""Locked parameters: what callers without `admin` cannot choose (contract events.yaml, locked_params).

Each function returns the parameters that hold instead of those that were sent; nothing is refused, since
browsers post whole events back.
"""

from collections.abc import Mapping
from typing import Any

from conductor.definitions.json_values import Json, copied, truthy
from conductor.definitions.kind import Library
from conductor.definitions.params import default_of, definitions_of, locked_ids


def forced(params: Mapping[str, Any], fields: Any, kept: Mapping[str, Any]) -> Json:
    """`params` with each locked one set to the value it has in `kept`, else to its default."""
    result = dict(params)
    for id, field in locked_ids(fields):
        value = copied(kept[id]) if id in kept else default_of(field)
        if value is None:
            result.pop(id, None)
        else:
            result[id] = value
    return result


def for_run(params: Mapping[str, Any], event: Mapping[str, Any], plugin: Mapping[str, Any] | None) -> Json:
    """Parameters of a run by somebody who is no administrator, from `event` (its plugin is `plugin`).

    Locked plugin params and locked or hidden event fields have the event's values, else their defaults.
    """
    kept = _object(event.get("params"))
    result = forced(params, plugin.get("params") if plugin else None, kept)
    result = forced(result, event.get("fields"), kept)
    for field in definitions_of(event.get("fields")):
        if field.get("type") == "hidden":
            result[field["id"]] = kept.get(field["id"], default_of(field))
    return result


def without_locked(triggers: Any, fields: Any, before: Any) -> Any:
    """Triggers whose params override no locked plugin param, save with what a stored trigger had."""
    locked = {id for id, _ in locked_ids(fields)}
    if not locked or not isinstance(triggers, list):
        return triggers
    known = [_object(entry.get("params")) for entry in _list(before) if isinstance(entry, dict)]

    def kept(entry: Any) -> Any:
        if not isinstance(entry, dict) or not isinstance(entry.get("params"), dict):
            return entry
        params = {
            id: value
            for id, value in entry["params"].items()
            if id not in locked or any(id in old and old[id] == value for old in known)
        }
        return {**entry, "params": params}

    return [kept(entry) for entry in triggers]


def in_workflow(workflow: Json, before: Any, library: Library) -> Json:
    """`workflow` (already validated) with the locked parameters of its event and job nodes restored."""
    stored = {
        node["id"]: node
        for node in _list(_object(before).get("nodes"))
        if isinstance(node, dict) and isinstance(node.get("id"), str)
    }
    nodes = [_restored(node, stored.get(node["id"]), library) for node in workflow["nodes"]]
    return {**workflow, "nodes": nodes}


def _restored(node: Json, old: Json | None, library: Library) -> Json:
    data = _object(node.get("data"))
    old_data = _object(old.get("data")) if old and old.get("type") == node["type"] else {}
    if node["type"] == "event":
        params = _event_node(data, old_data, library)
    elif node["type"] == "job":
        plugin = library.get("plugins", str(data.get("plugin"))) or {}
        same = old_data.get("plugin") == data.get("plugin")
        kept = _object(old_data.get("params")) if same else {}
        params = forced(_object(data.get("params")), plugin.get("params"), kept)
    else:
        return node
    return {**node, "data": {**data, "params": params}}


def _event_node(data: Json, old_data: Json, library: Library) -> Json:
    event = library.get("events", str(data.get("event"))) or {}
    plugin = library.get("plugins", str(event.get("plugin"))) or {}
    same = old_data.get("event") == data.get("event")
    kept = _object(old_data.get("params")) if same else {}
    params = forced(_object(data.get("params")), event.get("fields"), kept)
    for id, _ in locked_ids(plugin.get("params")):
        # Without a value of its own the node inherits the linked event's, so nothing is filled in here.
        if id in kept:
            params[id] = copied(kept[id])
        else:
            params.pop(id, None)
    return params


def has_locked(fields: Any) -> bool:
    return any(truthy(field.get("locked")) for field in definitions_of(fields))


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
